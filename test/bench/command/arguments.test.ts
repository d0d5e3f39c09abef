import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parseArguments } from '../../../bench/command/arguments.ts'
import { HELP } from '../../../bench/command/help.ts'
import { DEFAULT_SCENARIOS, SCENARIOS } from '../../../bench/scenarios/scenarios.ts'
import { UsageError } from '../../../profiler/usage-error.ts'

const file = fileURLToPath(import.meta.url)
const names = (args: string[]): string[] => parseArguments(args).scenarios.map(({ name }) => name)

test('without arguments the scenarios run that take no rounds', () => {
  const { scenarios, compare, rounds } = parseArguments([])
  expect(scenarios).toBe(DEFAULT_SCENARIOS)
  expect(scenarios.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['block', 'rate', 'encode']))
  expect(compare).toBeUndefined()
  expect(rounds).toBeUndefined()
})

test('the names of scenarios are unique', () => {
  const all = SCENARIOS.map(({ name }) => name)
  expect(all).toEqual([...new Set(all)])
})

test('every scenario is in the help', () => {
  for (const { name } of SCENARIOS) expect(HELP).toContain(`  ${name}\n`)
})

test('a comparison is of block-5ms@1.5, unless something else is named', () => {
  expect(names(['--compare', 'workers,inline'])).toEqual(['block-5ms@1.5'])
  expect(names(['--compare', 'workers,inline', '--only', 'sleep-50ms'])).toEqual([
    'sleep-50ms@0.8',
    'sleep-50ms@1.2',
  ])
  expect(parseArguments(['--compare', ' workers , inline ', '--rounds', '12'])).toMatchObject({
    compare: ['workers', 'inline'],
    rounds: 12,
  })
})

test('a user’s own executor can be compared, under its file’s name too', () => {
  const args = ['--executor', file, '--compare']
  expect(parseArguments([...args, 'own,inline']).compare).toEqual(['own', 'inline'])
  expect(parseArguments([...args, 'inline,arguments.test']).compare).toEqual(['inline', 'own'])
})

test('a picture can be drawn of what has 1,000 clients in overload, and may be of a producer', () => {
  const picture = ['--picture', 'no-such-picture.svg']
  for (const args of [[], ['--only', 'block-5ms@1.5'], ['--full'], ['--producer', file]]) {
    expect(parseArguments([...args, ...picture]).picture).toMatch(/\/no-such-picture\.svg$/)
  }
})

test('a producer is named after its file', () => {
  expect(parseArguments(['--producer', file]).producer).toMatchObject({ name: 'arguments.test' })
})

test.each([
  [['--compare', 'inline'], '--compare: expected two executors with a comma between them, got "inline"'],
  [['--compare', 'inline,workers,idle'], 'expected two executors'],
  [['--compare', 'inline,fast'], '--compare: there is no executor "fast". There are: inline, '],
  [['--compare', 'inline,own'], '--compare: "own" needs --executor FILE'],
  [['--compare', 'inline,inline'], '--compare: expected two different executors'],
  [['--compare', 'inline,workers', '--only', 'peers'], '--compare: "peers" has no executors to choose from'],
  [['--compare', 'inline,workers', '--only', 'nothing'], '--only: there is no scenario "nothing"'],
  [['--rounds', '7'], '--rounds: nothing that is to run has rounds. Add --compare A,B'],
  [['--rounds', '0', '--only', 'peers'], '--rounds: expected a whole number from 1 to 1000, got "0"'],
  [['--rounds', '1e3', '--only', 'peers'], 'got "1e3"'],
  [['--producer', './no-such-file.js'], '--producer: there is no file /'],
  [['--executor', './no-such-file.js'], '--executor: there is no file /'],
  [['--producer', file, '--only', 'peers'], '--producer and --only exclude each other'],
  [['--picture', 'a.svg', '--compare', 'inline,workers'], '--picture and --compare exclude each other'],
  [['--picture', 'a.svg', '--only', 'encode'], '--picture needs a scenario in overload with 1,000 clients'],
  [['--picture', 'a.svg', '--only', 'block-5ms@0.5,block-50ms@1.5'], 'add --only block-5ms@1.5'],
  [['--picture', '.'], ': it is a folder. Name a file in it'],
])('%j is refused', (args, message) => {
  expect(() => parseArguments(args)).toThrow(UsageError)
  expect(() => parseArguments(args)).toThrow(message)
})
