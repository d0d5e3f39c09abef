/** What a run has found, in words in place of tables. */
import { numberText } from '../../profiler/report/cells.ts'
import type { Text } from '../../profiler/report/document.ts'
import { verdict } from '../figures/figure.ts'
import { BROKEN } from '../rows/block-row.ts'
import { conclusions, PROMISED_TO_IDLE, type Conclusion } from './conclusions.ts'
import { failedStreams, invalidRows, type Results } from './results.ts'

export function summary(results: Results): Text {
  const failed = failedStreams(results)
  const lines = [
    ...(results.interrupted ? ['Interrupted: the results are partial.'] : []),
    ...(failed > 0 ? [`${failed} ${failed === 1 ? 'stream has' : 'streams have'} failed.`] : []),
  ]
  if (results.quick) {
    const agreed = failed > 0 ? '' : ' Every count agrees.'
    lines.push(`A quick run, which says nothing about speed.${agreed}`)
  } else {
    lines.push(
      ...overload(results),
      ...rates(results),
      ...heldWords(results),
      ...goals(results),
      ...validity(results),
    )
  }
  return { kind: 'text', heading: 'In short', text: lines.join('\n') }
}

function overload(results: Results): string[] {
  const found = conclusions(results).filter(({ load }) => load > 1)
  return [...new Set(found.map(({ scenario }) => scenario))].flatMap((scenario) => {
    const of = (executor: string): Conclusion | undefined =>
      found.find((one) => one.scenario === scenario && one.executor === executor)
    const [workers, inline] = [of('workers'), of('inline')]
    const { load } = workers ?? inline ?? {}
    if (load === undefined) return []
    const sentences = [
      `${situation(scenario)} clients come ${load} times as fast as one thread can serve them.`,
    ]
    if (inline !== undefined) {
      sentences.push(
        `On the server's own thread (inline) everybody waits for all who came before: of 100 clients one waits ${numberText(inline.firstByteP99Ms)} ms or longer for its first byte${inline.toTheory === undefined ? '' : `, ${numberText(inline.toTheory)} times what the theory of a single queue says`}.`,
      )
    }
    if (workers !== undefined) {
      const waited = `${numberText(workers.firstByteP99Ms)} ms`
      sentences.push(
        inline === undefined
          ? `On worker threads (workers) one client of 100 waits ${waited} or longer for its first byte.`
          : `On worker threads (workers) it is ${waited}, ${times(inline.firstByteP99Ms, workers.firstByteP99Ms)}.`,
      )
      if (workers.toIdle !== undefined) {
        const kept = workers.toIdle <= PROMISED_TO_IDLE ? 'kept' : 'missed'
        sentences.push(
          `That is ${numberText(workers.toIdle)} times what a server with nothing to compute shows (at most ${PROMISED_TO_IDLE} times is promised: ${kept}).`,
        )
      }
    }
    return sentences.join(' ')
  })
}

function situation(scenario: string): string {
  const ms = /^block-(\d+)ms@/.exec(scenario)?.[1]
  return ms === undefined ? `In ${scenario},` : `The producer of each stream computes for ${ms} ms, and`
}

function times(slower: number, faster: number): string {
  return slower >= faster
    ? `${numberText(slower / faster)} times less`
    : `${numberText(faster / slower)} times as much`
}

function rates({ rates: rows }: Results): string[] {
  const valid = rows.filter(({ gate }) => gate.failures.length === 0)
  const shares = valid.flatMap(({ scenario, executor, flush, eventsPerSecond }) => {
    const inline = valid.find((one) => one.scenario === scenario && one.executor === 'inline')
    if (executor !== 'workers' || inline === undefined) return []
    const how = flush === 'event' ? 'each event leaves at once' : 'the events of one turn leave together'
    return `${numberText(eventsPerSecond / inline.eventsPerSecond, 2)} times as many where ${how}`
  })
  if (shares.length === 0) return []
  return [
    `Events that one stream carries per second on worker threads, next to inline: ${shares.join(', and ')}.`,
  ]
}

function heldWords({ held }: Results): string[] {
  return held.limits.map(({ executor, held: most, why }) => {
    const row = held.rows.find((one) => one.executor === executor && one.streams === most)
    const alone = held.rows.find((one) => one.executor === executor && one.streams === 0)
    if (row === undefined || most === 0)
      return `Open streams with an event a second (${executor}): none held; ${why}.`
    const { p99, p50 } = row.firstByteMs
    const [slow, usual] = [p99 ?? p50, alone?.firstByteMs.p99 ?? alone?.firstByteMs.p50 ?? NaN]
    return `${most.toLocaleString('en')} open streams with an event a second hold (${executor}): 99 of 100 new clients have their first byte within ${numberText(slow)} ms (with none open: ${numberText(usual)}), and the server's loop is ${Math.round(row.utilisation * 100)} % busy. Not more, since ${why}.`
  })
}

function goals({ figures }: Results): string[] {
  const judged = figures.filter(({ goal, failures }) => goal !== undefined && failures.length === 0)
  if (judged.length === 0) return []
  const named = (wanted: string): string => {
    const names = judged.filter((one) => verdict(one) === wanted)
    return names
      .map(({ scenario, what, baseline }) => `${scenario}, ${what}, to ${baseline.contender}`)
      .join('; ')
  }
  const reached = judged.filter((one) => verdict(one) === 'reached').length
  const [missed, unclear] = [named('missed'), named('unclear')]
  return [
    [
      `${reached} of ${judged.length} goals are reached.`,
      ...(missed === '' ? [] : [`Missed: ${missed}.`]),
      ...(unclear === '' ? [] : [`Unclear, since some rounds reach it and some do not: ${unclear}.`]),
    ].join(' '),
  ]
}

function validity(results: Results): string[] {
  const { blocks, rates: rateRows, held, figures } = results
  const rows = blocks.length + rateRows.length + held.rows.length + figures.length
  const invalid = invalidRows(results)
  const broken = blocks.flatMap(({ gate }) => gate.failures).filter((failure) => failure.startsWith(BROKEN))
  if (broken.length > 0) return [`Believe nothing of this run, since ${broken.join(', and ')}.`]
  if (invalid.length > 0) {
    return [
      `${invalid.length} of ${rows} rows are INVALID: something kept the load generator or the server from its core. Nothing is concluded from them: stop what else runs here, and repeat. Where it is the generator that was busy, and there are cores to spare, repeat with --generators 2.`,
    ]
  }
  return rows === 0
    ? []
    : ['All rows are valid: the load generator was on time and not busy, and the server had its core.']
}
