/**
 * The sections of a profile's report, one file each: here they are put in order, as a document of blocks. Words come
 * first, then tables, then drawings.
 */
import type { Findings } from '../findings/findings.ts'
import { resultsOf, type ProfileDocument } from '../findings/results.ts'
import type { Load, Measurement } from '../plan.ts'
import type { Block } from '../report/document.ts'
import type { ServerView } from '../server-view/server-view.ts'
import { capacityLines, capacityTable } from './capacity.ts'
import { comparisonTable } from './comparison.ts'
import { validityTable } from './generator.ts'
import { heatMap, latencyTable, percentileCurves } from './latency.ts'
import { machine } from './machine.ts'
import { serverTables } from './server.ts'
import { streamTable } from './streams.ts'
import { summary } from './summary.ts'
import { thresholdTable } from './thresholds.ts'
import { timeline } from './timeline.ts'
import { waterfall } from './waterfall.ts'

export function toDocument(findings: Findings): ProfileDocument {
  const { url, command, startedAt, address } = findings
  const results = resultsOf(findings)
  return {
    tool: 'profile',
    title: `What clients see of ${url}`,
    command,
    startedAt,
    environment: [...machine(), ['server', address]],
    blocks: [{ kind: 'text', heading: 'In words', text: summary(findings) }, ...blocks(findings)],
    ...(results === undefined ? {} : { results }),
  }
}

function blocks(findings: Findings): Block[] {
  const { measurement, plan, capacity, server } = findings
  const made: Block[] = []
  if (findings.judged.length > 0) made.push(thresholdTable(findings.judged))
  if (findings.compared !== undefined) made.push(comparisonTable(findings.compared))
  if (capacity !== undefined) made.push(capacityTable(capacity), capacityLines(capacity))
  if (measurement === undefined) return made
  made.push(
    latencyTable(measurement),
    streamTable(measurement, plan),
    validityTable(measurement, plan.load),
    ...charts(measurement, plan.load, server),
  )
  if (server !== undefined) made.push(...serverTables(server))
  return made
}

/** Those in which there is something to see. */
function charts(measurement: Measurement, load: Load, server: ServerView | undefined): Block[] {
  const made: Block[] = []
  // Streams that have failed have no times.
  if ((measurement.outcomes.good ?? 0) > 0) made.push(percentileCurves(measurement), heatMap(measurement))
  const busy = timeline(measurement, load, server)
  // One point is no line.
  if (busy.series.some(({ points }) => points.length > 1)) made.push(busy)
  if (measurement.sampled.length > 0) made.push(waterfall(measurement))
  return made
}
