/** Streams that are to be held open, at servers that let some of them wait, or all. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { profile, type ProfileProgress } from '../../../profiler/index.ts'
import { Holding } from '../../../profiler/load/holding.ts'
import { answering, chunk, HEAD, listening, planOf } from '../profiling.ts'

/** As a stream that is idle after its first event. */
const OPEN = HEAD + chunk('data: a\n\n')

/** A server that never answers, and how many have asked. */
async function silent(): Promise<{ url: string; asked: () => number }> {
  let count = 0
  const url = await answering(() => void count++)
  return { url, asked: () => count }
}

function holdingAt(url: string, headWithinMs?: number): Holding {
  const holding = new Holding(planOf(url), headWithinMs)
  onTestFinished(() => holding.stop())
  return holding
}

describe('a server that never answers', () => {
  test('is asked for as many streams as are opened at a time, and for no more', async () => {
    const { url, asked } = await silent()
    const holding = holdingAt(url, 300)
    const expected = { open: 0, lost: 50, detail: 'no head in time', untried: 950 }
    expect(await holding.hold(1_000)).toEqual(expected)
    expect(asked()).toBe(50)
    // Another division of the streams finds it as silent.
    expect(await holding.hold(400)).toEqual({ ...expected, untried: 400 })
    expect(asked()).toBe(50)
  })

  test('once it has answered some, is soon asked for no more', async () => {
    let asked = 0
    const url = await answering((socket) => {
      if (++asked <= 75) socket.write(OPEN)
    })
    const { open, lost, untried } = await holdingAt(url, 300).hold(1_000)
    expect({ open, lost: asked - 75, untried: 1_000 - asked }).toEqual({ open: 75, lost, untried })
    // Those that began before the last answer came are lost one by one, and as many others have begun by then.
    expect(lost).toBeGreaterThanOrEqual(50)
    expect(lost).toBeLessThan(100)
  })

  test('is reported while it is waited for, and in the summary', async () => {
    const { url } = await silent()
    const news: ProfileProgress[] = []
    const { verdict, document } = await profile(url, {
      closed: 1,
      timeout: 100,
      duration: 300,
      warmup: 0,
      hold: 60,
      generators: 1,
      onProgress: (progress) => news.push(progress),
    })
    expect(verdict).toBe('invalid')
    const ofHold = news.filter(({ phase }) => phase === 'hold')
    expect(ofHold[0]).toEqual({ phase: 'hold', streams: 60, open: 0, lost: 0 })
    expect(ofHold.length).toBeGreaterThan(1)
    expect(ofHold.at(-1)).toMatchObject({ phase: 'hold', streams: 60, lost: 0 })
    expect(document.blocks[0]).toMatchObject({
      text: expect.stringContaining(
        'Beside them 0 streams were held open. 50 were lost (no head in time). The other 10 were not tried, since no head came for 10 s.',
      ) as string,
    })
  })
})

test('a server that answers slowly, and one in ten never, is asked for all', async () => {
  const waiting: Socket[] = []
  let asked = 0
  const url = await answering((socket) => {
    if (++asked % 10 !== 0) waiting.push(socket)
  })
  const answers = setInterval(() => waiting.shift()?.write(OPEN), 5)
  onTestFinished(() => clearInterval(answers))
  // The first of those that wait in vain are lost before half of the others have begun.
  expect(await holdingAt(url, 1_000).hold(400)).toEqual({
    open: 360,
    lost: 40,
    detail: 'no head in time',
    untried: 0,
  })
})

describe('a server that refuses', () => {
  test('after some is asked for all', async () => {
    let asked = 0
    const url = await answering((socket) => {
      if (++asked <= 30) socket.write(OPEN)
      else socket.end('HTTP/1.1 503 Full\r\ncontent-length: 0\r\n\r\n')
    })
    const { open, lost, detail, untried } = await holdingAt(url, 1_000).hold(200)
    expect({ open, lost, untried }).toEqual({ open: 30, lost: 170, untried: 0 })
    expect(detail).toContain('503')
  })

  test('all connections after some is asked for all', async () => {
    let asked = 0
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', () => {
        if (++asked <= 30) socket.write(OPEN)
        else {
          server.close()
          socket.destroy()
        }
      })
    })
    const { open, lost, untried } = await holdingAt(await listening(server), 1_000).hold(200)
    expect({ open, lost, untried }).toEqual({ open: 30, lost: 170, untried: 0 })
  })

  test('from the first on is asked for all', async () => {
    const server = createServer()
    const url = await listening(server)
    server.close()
    await once(server, 'close')
    const { open, lost, detail, untried } = await holdingAt(url, 1_000).hold(200)
    expect({ open, lost, untried }).toEqual({ open: 0, lost: 200, untried: 0 })
    expect(detail).toContain('ECONNREFUSED')
  })
})
