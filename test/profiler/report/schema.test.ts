import { Ajv2020 } from 'ajv/dist/2020.js'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Document } from '../../../profiler/report/document.ts'
import { toJson } from '../../../profiler/report/json.ts'
import { LEAST, WHOLE } from './documents.ts'

const schema = JSON.parse(
  readFileSync(new URL('../../../profiler/report/schema.json', import.meta.url), 'utf8'),
) as object
// Strict: a keyword that means nothing is an error.
const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema)

const read = (document: Document): unknown => JSON.parse(toJson(document))

/** What may be left out. A number stands for any index. */
const OPTIONAL = new Set([
  '$schema',
  'results',
  'blocks.0.heading',
  'blocks.1.columns.N.unit',
  'blocks.1.columns.N.align',
  'blocks.1.columns.N.digits',
  'blocks.2.series.N.theory',
  'blocks.3.x.unit',
  'blocks.3.x.logarithmic',
  'blocks.3.y.unit',
  'blocks.3.y.logarithmic',
  'blocks.3.series.N.theory',
  'blocks.4.x.unit',
  'blocks.4.x.logarithmic',
  'blocks.4.y.unit',
  'blocks.4.y.logarithmic',
])

/** The paths to all objects, the document's own included. */
function* objects(value: unknown, path: readonly (string | number)[] = []): Generator<(string | number)[]> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield [...path]
  // Further items are like the first ones; but each block is of another kind.
  const entries = Object.entries(value)
  for (const [key, inner] of path.at(-1) === 'blocks' ? entries : entries.slice(0, 40)) {
    yield* objects(inner, [...path, Array.isArray(value) ? Number(key) : key])
  }
}

function at(document: unknown, path: readonly (string | number)[]): Record<string, unknown> {
  return path.reduce((value, key) => (value as Record<string, unknown>)[key], document) as Record<
    string,
    unknown
  >
}

/** Every object but the raw results, which are the tool's own. */
const PATHS = [...objects(read(WHOLE))].filter(([first]) => first !== 'results')

test('takes a document with everything in it, and one with no more than it needs', () => {
  for (const document of [WHOLE, LEAST]) {
    validate(read(document))
    expect(validate.errors ?? []).toEqual([])
  }
})

test('has looked at every kind of block', () => {
  const kinds = (schema as { $defs: { block: { oneOf: { $ref: string }[] } } }).$defs.block.oneOf.map(
    ({ $ref }) => $ref.replace('#/$defs/', ''),
  )
  expect(WHOLE.blocks.map(({ kind }) => kind)).toEqual(kinds)
  expect(LEAST.blocks.map(({ kind }) => kind)).toEqual(kinds)
})

test('needs every field but those that may be left out', () => {
  const optional = new Set<string>()
  for (const path of PATHS) {
    for (const key of Object.keys(at(read(WHOLE), path))) {
      const document = read(WHOLE)
      delete at(document, path)[key]
      const name = [...path, key]
        .map((part, index) => (typeof part === 'number' && index !== 1 ? 'N' : part))
        .join('.')
      if (validate(document)) optional.add(name)
    }
  }
  expect(optional).toEqual(OPTIONAL)
})

test('refuses an unknown field, everywhere', () => {
  const taken = PATHS.filter((path) => {
    const document = read(WHOLE)
    at(document, path)['colour'] = 'red'
    return validate(document)
  })
  expect(taken).toEqual([])
})

describe('refuses', () => {
  const cases: [string, (document: Record<string, unknown>) => void][] = [
    ['an unknown kind', (document) => (at(document, ['blocks', 0])['kind'] = 'pie')],
    ['an unknown tool', (document) => (document['tool'] = 'guess')],
    ['a time without its zone', (document) => (document['startedAt'] = '2026-01-02T03:04:05')],
    [
      'a percentile beyond 100',
      (document) => (at(document, ['blocks', 2, 'series', 0])['points'] = [[101, 1]]),
    ],
    ['a point of one number', (document) => (at(document, ['blocks', 2, 'series', 0])['points'] = [[1]])],
    [
      'a point of three numbers',
      (document) => (at(document, ['blocks', 3, 'series', 0])['points'] = [[1, 2, 3]]),
    ],
    [
      'a point that is not a number, as Infinity is in JSON',
      (document) => (at(document, ['blocks', 3, 'series', 0])['points'] = [[1, null]]),
    ],
    ['half a sample', (document) => (at(document, ['blocks', 4])['counts'] = [[0.5]])],
    [
      'a share of more than all',
      (document) => (at(document, ['blocks', 5, 'series', 0])['points'] = [[1, 1.1]]),
    ],
    ['a cell that is an object', (document) => (at(document, ['blocks', 1])['rows'] = [[{}]])],
    ['a fact without its value', (document) => (document['environment'] = [['Node']])],
    ['no blocks at all', (document) => delete document['blocks']],
  ]
  test.each(cases)('%s', (_, spoil) => {
    const document = read(WHOLE) as Record<string, unknown>
    spoil(document)
    expect(validate(document)).toBe(false)
  })
})
