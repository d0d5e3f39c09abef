import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { numberText } from '../../../profiler/report/cells.ts'
import type { Document } from '../../../profiler/report/document.ts'
import { toTerminal, widthOf } from '../../../profiler/report/terminal.ts'
import { LEAST, WHOLE } from './documents.ts'

const PLAIN = { colours: false, width: Infinity }

function tableLines(text: string): string[] {
  return text.split('\n').filter((line) => line.startsWith('|'))
}

test('shows a table that is aligned, with units in its head, and can be pasted into Markdown', () => {
  expect(tableLines(toTerminal(WHOLE, PLAIN))).toEqual([
    '| what, of all | p50, ms | p99, ms | verdict |',
    '|--------------|--------:|--------:|---------|',
    '| TTFB         |    2.12 |      48 | ok      |',
    '| TTFE         |    3.20 |   1,835 | missed  |',
    '| gap          |      20 |         | unclear |',
  ])
})

test('colours verdicts, and nothing without `colours`', () => {
  const coloured = toTerminal(WHOLE, { colours: true, width: Infinity })
  expect(coloured).toContain('\u001B[32mok\u001B[39m')
  expect(coloured).toContain('\u001B[31mmissed\u001B[39m')
  expect(coloured).toContain('\u001B[33munclear\u001B[39m')
  const plain = toTerminal(WHOLE, PLAIN)
  expect(plain).not.toContain('\u001B')
  expect(stripVTControlCharacters(coloured)).toBe(plain)
})

test('ends with the text that opens the document, and names what it cannot draw', () => {
  const text = toTerminal(WHOLE, PLAIN)
  expect(text.trimEnd().endsWith('Two of 6,000 streams have failed.')).toBe(true)
  const named = text.replaceAll('\n', ' ')
  for (const block of WHOLE.blocks) {
    if (block.kind === 'text' || block.kind === 'table') continue
    expect(named).toContain(block.title.replace(/\.$/, ''))
  }
  expect(named).toContain('See the HTML file (--html FILE) for: Of 1,000 clients')
})

test('keeps to the width: prose is wrapped, long texts are cut, numbers are not', () => {
  const document: Document = {
    ...LEAST,
    blocks: [
      { kind: 'text', text: 'word '.repeat(100).trim() },
      {
        kind: 'table',
        title: 'A table',
        columns: [{ title: 'what' }, { title: 'value', unit: 'ms' }, { title: 'verdict' }],
        rows: [
          ['a very long description of what this row is about', 1_234_567, 'INVALID: send lag p99 7.5 ms'],
        ],
        notes: ['note '.repeat(40).trim()],
      },
    ],
  }
  const lines = toTerminal(document, { colours: true, width: 60 })
    .split('\n')
    .map((line) => stripVTControlCharacters(line))
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60)
  const text = lines.join('\n')
  expect(text).toContain('1,234,567')
  expect(text).toMatch(/\| a very long desc[a-z ]*…/)
  expect(text).toMatch(/\| INVALID: [a-z 0-9]*…/)
  expect(text.match(/word/g)).toHaveLength(100)
  expect(text.match(/note/g)).toHaveLength(40)
  // Whoever writes into a file gets all of it.
  expect(toTerminal(document, PLAIN)).toContain('INVALID: send lag p99 7.5 ms')
})

test.each([
  [{ isTTY: true, columns: 80 }, 80],
  // As some pseudo-terminals have it.
  [{ isTTY: true, columns: 0 }, Infinity],
  [{ columns: 80 }, Infinity],
  [{}, Infinity],
])('a stream %o is %d characters wide', (stream, width) => {
  expect(widthOf(stream)).toBe(width)
})

test('shows a document with next to nothing in it', () => {
  expect(toTerminal(LEAST, { colours: true, width: 20 })).not.toContain('undefined')
})

test.each([
  [0, '0'],
  [0.0001234, '0.000123'],
  [0.15, '0.150'],
  [5.236, '5.24'],
  [99.96, '100'],
  [123.4, '123'],
  [1_834.6, '1,835'],
  [58, '58'],
  [-0.5, '−0.500'],
  [Infinity, '–'],
  [NaN, '–'],
])('writes %f as %s', (value, text) => {
  expect(numberText(value)).toBe(text)
})
