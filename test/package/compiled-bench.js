// The commands of bench/ as a user runs them. `npm run build:bench` compiles them, once for all tests.
import { Ajv2020 } from 'ajv/dist/2020.js'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Runs a command to its end.
 *
 * @param {string} command below build/bench
 * @param {readonly string[]} args
 * @param {number} timeout for safety only, in ms
 */
export function runCompiled(command, args, timeout) {
  const script = join('build', 'bench', command)
  assert.ok(existsSync(join(ROOT, script)), `${script} is missing: run "npm run build:bench" first`)
  return spawnSync(process.execPath, [script, ...args], { cwd: ROOT, encoding: 'utf8', timeout })
}

/**
 * A document that a command has written, which is what its schema says.
 *
 * @param {string} file
 */
export function readDocument(file) {
  const schema = JSON.parse(readFileSync(join(ROOT, 'profiler/report/schema.json'), 'utf8'))
  const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema)
  const document = JSON.parse(readFileSync(file, 'utf8'))
  validate(document)
  assert.deepEqual(validate.errors ?? [], [])
  assert.equal(document.$schema, schema.$id)
  return document
}
