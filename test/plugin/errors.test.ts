import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import * as errors from '../../src/errors.ts'

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')

/** The rows of the page: code, status, when, what to do. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => {
    const [, code = '', status = '', when = '', what = ''] = line.split('|').map((cell) => cell.trim())
    return [code.replaceAll('`', ''), status, when, what] as const
  })

const codes = Object.keys(errors)

/** An error with each of its message's places filled. */
function sample(code: string): Error & { code: string; statusCode?: number } {
  const { [code as keyof typeof errors]: Coded } = errors
  return new Coded('first', 'second', 'third', 'fourth')
}

/** How an instruction begins. */
const IMPERATIVE =
  /^(Add|Call|Close|Exclude|Export|Give|Look|Make|Move|Pass|Register|Return|See|Send|Stop|Try|Use) /

test('docs/errors.md lists exactly the codes that exist, each once', () => {
  expect(rows.map(([code]) => code).toSorted()).toEqual(codes.toSorted())
})

test.each(rows)(
  'docs/errors.md says of %s its status %s, when, and what to do',
  (code, status, when, what) => {
    expect(String(sample(code).statusCode)).toBe(status)
    expect(when).toMatch(/^\S.*\.$/)
    expect(what).toMatch(/^[A-Z].*\.$/)
  },
)

describe.each(codes)('%s', (code) => {
  test('is exported under the code that it has', () => {
    expect(sample(code)).toMatchObject({ code, name: 'FastifyError' })
    expect(code).toMatch(/^HF_ERR_[A-Z_]+$/)
  })

  test('has a message that ends with what to do', () => {
    const sentences = sample(code).message.split(/(?<=[.…]) (?=[A-Z])/)
    expect(sentences.length).toBeGreaterThan(1)
    expect(sentences.at(-1)).toMatch(IMPERATIVE)
    expect(sentences.at(-1)).toMatch(/\.$|first|second|third|fourth/)
  })

  test('has a message on one line, with all of its places filled', () => {
    expect(sample(code).message).not.toMatch(/%|\n/)
  })
})
