import { execFileSync, spawnSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CLOSED, documentIn, folder, good, type Results } from './brief-run.ts'
import { answering, chunk, Command, END, HEAD } from './profiling.ts'

describe('headfirst profile', () => {
  test('writes what there is when interrupted', async () => {
    const json = join(folder(), 'a.json')
    let asked = 0
    const tenth = new EventEmitter()
    const url = await answering((socket) => {
      socket.end(HEAD + chunk('data: a\n\n') + END)
      if (++asked === 10) tenth.emit('asked')
    })
    const command = new Command(
      'profile',
      url,
      '--closed',
      '1',
      '--duration',
      '1h',
      '--warmup',
      '0',
      '--json',
      json,
    )
    await once(tenth, 'asked')
    command.child.kill('SIGINT')
    const { code, stdout } = await command.done()
    expect(code).toBe(130)
    expect(stdout).toContain('Interrupted')
    const { measurement } = documentIn(json).results as Results
    expect(measurement.interrupted).toBe(true)
    expect(measurement.arrivals).toBeGreaterThanOrEqual(8)
  })

  test.runIf(spawnSync('prlimit', ['--version']).status === 0)(
    'keeps the older report where the new one cannot be written as a whole',
    async () => {
      const json = join(folder(), 'a.json')
      writeFileSync(json, 'older')
      const asked = new EventEmitter()
      const url = await answering((socket) => {
        socket.write(HEAD + chunk('data: a\n\n'))
        setTimeout(() => socket.end(END), 20)
        asked.emit('asked')
      })
      const command = new Command('profile', url, ...CLOSED, '--json', json)
      await once(asked, 'asked')
      // As on a disk that fills up meanwhile.
      execFileSync('prlimit', ['--fsize=1000', '--pid', String(command.child.pid)])
      const { code, stdout, stderr } = await command.done()
      expect(stderr).toContain(`--json: can't write ${json}: EFBIG`)
      expect(stdout).toContain('Closed loop')
      expect(code).toBe(1)
      expect(readFileSync(json, 'utf8')).toBe('older')
      expect(readdirSync(join(json, '..'))).toEqual(['a.json'])
    },
  )

  test('is interrupted while it still opens the streams that it is to hold, and keeps an older report', async () => {
    const [json, html] = [join(folder(), 'a.json'), join(folder(), 'a.html')]
    writeFileSync(html, 'older')
    const asked = new EventEmitter()
    // It never answers.
    const url = await answering(() => asked.emit('asked'))
    const command = new Command('profile', url, '--hold', '1', '--json', json, '--html', html)
    await once(asked, 'asked')
    command.child.kill('SIGINT')
    const { code, stdout } = await command.done()
    expect(code).toBe(130)
    expect(stdout).toContain('Interrupted: this is what there was so far.')
    expect(documentIn(json).blocks).toHaveLength(1)
    expect(readFileSync(html, 'utf8')).toBe('older')
  })

  test('is interrupted while it still asks for the server’s own view, and measures nothing then', async () => {
    const asked = new EventEmitter()
    const view = '{"nowMs":1,"sinceMs":1,"threads":[],"queueWaits":{},"blocked":[]}'
    let answer: (() => void) | undefined
    const server = await answering((socket) => {
      const say = (): void => void socket.end(`HTTP/1.1 200 OK\r\n\r\n${view}`)
      if (answer === undefined) asked.emit('asked')
      else say()
      answer ??= say
    })
    const asking = ['--server-profile', server, '--token', 'x']
    const command = new Command('profile', await good(), '--duration', '1h', ...asking)
    await once(asked, 'asked')
    command.child.kill('SIGINT')
    answer?.()
    const { code, stdout } = await command.done()
    expect(code).toBe(130)
    expect(stdout).toContain('Interrupted')
  })
})
