import { Ajv2020 } from 'ajv/dist/2020.js'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Document } from '../../../profiler/report/document.ts'
import { toJson } from '../../../profiler/report/json.ts'
import { resultsDocument } from '../../../bench/report/document.ts'
import type { Results } from '../../../bench/report/results.ts'
import { blockRow, GATE, someResults } from './some-results.ts'

const validate = new Ajv2020({ allowUnionTypes: true }).compile(
  JSON.parse(
    readFileSync(new URL('../../../profiler/report/schema.json', import.meta.url), 'utf8'),
  ) as object,
)

function documentOf(changes: Partial<Results> = {}): Document {
  const document = resultsDocument(someResults(changes), [])
  validate(JSON.parse(toJson(document)))
  expect(validate.errors ?? []).toEqual([])
  return document
}

function summaryOf(document: Document): string {
  const [first] = document.blocks
  if (first?.kind !== 'text') throw new Error('A document begins with its summary')
  return first.text
}

const invalid = { ...GATE, failures: ['generator 90 % busy'] }

test('begins with what a run says, in plain words', () => {
  const text = summaryOf(documentOf())
  expect(text).toContain('The producer of each stream computes for 5 ms, and clients come 1.5 times as fast')
  expect(text).toMatch(/On worker threads \(workers\) it is [\d.]+ ms, \d+ times less\./)
  expect(text).toContain('(at most 5 times is promised: kept)')
  expect(text).toContain('0.85 times as many where the events of one turn leave together')
  expect(text).toContain('1 of 2 goals are reached. Missed: missed, events/s, to naive.')
  expect(text).toContain('All rows are valid')
})

test('draws the first byte by percentile and by load, with the theory, and over time', () => {
  const { blocks } = documentOf()
  const lines = blocks.filter((block) => block.kind === 'lines')
  expect(lines.map(({ y }) => y.label)).toEqual(['TTFB p50', 'TTFB p99'])
  for (const { series } of lines) {
    const measured = series.find(({ name }) => name === 'inline')?.points
    const theory = series.find(({ theory: is }) => is === true)
    expect(measured?.map(([load]) => load)).toEqual([0.5, 0.8, 1.5])
    expect(theory?.points.length).toBeGreaterThan(40)
    // It passes near all that was measured, since that was made of it.
    for (const [load, ms] of measured ?? []) {
      const expected = theory?.points.find(([at]) => Math.abs(at - load) < 1e-6)?.[1]
      expect(ms / (expected ?? NaN)).toBeGreaterThan(0.8)
      expect(ms / (expected ?? NaN)).toBeLessThan(1.25)
    }
  }
  const curves = blocks.filter((block) => block.kind === 'percentiles')
  expect(curves).toHaveLength(3)
  expect(curves[2]?.series.map(({ name }) => name)).toEqual([
    'workers',
    'inline',
    'idle',
    'microtask',
    'deferred',
    'inline by theory',
  ])
  const heat = blocks.filter((block) => block.kind === 'heatmap')
  expect(heat.map(({ counts }) => counts.flat().reduce((sum, count) => sum + count))).toEqual([1_000, 1_000])
  for (const { columns, rows, counts } of heat) {
    expect(columns).toHaveLength(counts.length + 1)
    expect(rows).toHaveLength((counts[0]?.length ?? 0) + 1)
  }
})

test('shows no percentile that has fewer than ten samples beyond', () => {
  const { blocks } = documentOf()
  const most = blocks
    .filter((block) => block.kind === 'percentiles')
    .map(({ series }) => series.map(({ name, points }) => [name, points.at(-1)?.[0]]))
  const few = [
    ['workers', 99],
    ['inline', 99],
    ['idle', 90],
    ['microtask', 90],
    ['deferred', 90],
    ['inline by theory', 99],
  ]
  expect(most).toEqual([few, few, few.map(([name]) => [name, 99])])
})

test('concludes nothing from rows that are INVALID', () => {
  const blocks = someResults().blocks.map((row) => ({ ...row, gate: invalid }))
  const document = documentOf({ blocks })
  expect(summaryOf(document)).not.toContain('first byte')
  expect(summaryOf(document)).toContain('15 of 19 rows are INVALID')
  expect(document.blocks.filter(({ kind }) => kind === 'lines')).toEqual([])
})

test('a quick run says nothing about speed', () => {
  const blocks = [blockRow('inline', 1.5, 20), blockRow('workers', 1.5, 20)]
  const document = documentOf({ quick: true, blocks })
  expect(summaryOf(document)).toBe('A quick run, which says nothing about speed. Every count agrees.')
  const table = document.blocks.find((block) => block.kind === 'table')
  expect(table?.rows.every((row) => row.at(-1) === 'counts agree')).toBe(true)
})

test('streams that failed are slowest, and no point of a curve', () => {
  const row = blockRow('inline', 1.5, 1_000)
  const samples = row.samples.firstByteMs.map((ms, index) => (index < 100 ? null : ms))
  const failed = {
    ...row,
    firstByteMs: { ...row.firstByteMs, p99: Infinity, max: Infinity },
    samples: { ...row.samples, firstByteMs: samples },
    errors: { timeout: 100 },
  }
  const document = documentOf({ blocks: [failed] })
  const table = document.blocks.find((block) => block.kind === 'table')
  expect(table?.rows[0]).toContain('failed')
  expect(table?.rows[0]?.slice(-2)).toEqual(['100 timeout of 1000', 'errors'])
  const curve = document.blocks.find((block) => block.kind === 'percentiles')
  expect(curve?.series[0]?.points.at(-1)?.[0]).toBeLessThanOrEqual(90)
})

test('an interrupted run that has measured nothing yet is a document too', () => {
  const nothing = { blocks: [], rates: [], encode: [], handOff: [], figures: [] }
  const document = documentOf({ ...nothing, interrupted: true })
  expect(summaryOf(document)).toBe('Interrupted: the results are partial.')
})

test('names the command that makes it again, as a shell takes it', () => {
  const args = ['--only', 'block-5ms@1.5,peers', '--html', "my file's.html", '$HOME']
  expect(resultsDocument(someResults(), args).command).toBe(
    String.raw`npm run bench -- --only block-5ms@1.5,peers --html 'my file'\''s.html' '$HOME'`,
  )
})
