/** Admission: each stream is taken or given back once, and nothing stays counted. */
import assert from 'node:assert/strict'
import type { EventStream } from '../../sse/stream.ts'
import { makeFlags, until } from '../flags.ts'
import * as producers from '../producers.ts'
import type { Promises } from './promises.ts'

export function admission(promises: Promises): void {
  promises.any('every admit is followed by exactly one run or cancel', async (server) => {
    const calls = server.recordCalls()
    const flags = makeFlags()
    const used = await server.route(producers.numbers, { count: 1 })
    const throws = await server.route(producers.numbers, { count: 1 })
    const replaced = await server.route(producers.numbers, { count: 1 })
    const left = await server.route(producers.numbers, { count: 1 })
    const closes = await server.route(producers.numbers, { count: 1 }, { onOpen: closeAtOnce })
    const fails = await server.route(
      producers.numbers,
      { count: 1 },
      {
        onOpen: () => {
          throw new Error('told to')
        },
      },
    )
    let gone: (() => void) | undefined
    server.app.addHook('onSend', async (request, _reply, payload) => {
      if (request.url === throws && typeof payload !== 'string') throw new Error('told to')
      if (request.url === replaced) return 'something else'
      if (request.url === left) await new Promise<void>((resolve) => (gone = resolve))
      return payload
    })
    await server.listen()
    const get = async (path: string): Promise<{ status: number; body: string }> => {
      const response = await fetch(server.url(path))
      return { status: response.status, body: await response.text() }
    }

    assert.deepEqual(await get(used), { status: 200, body: 'data: 0\n\n' })
    assert.equal((await get(throws)).status, 500)
    assert.deepEqual(await get(replaced), { status: 200, body: 'something else' })
    assert.deepEqual(await get(closes), { status: 200, body: '' })
    assert.deepEqual(await get(fails), { status: 200, body: '' })
    const observer = await server.observe(left, { flags })
    await until(() => gone !== undefined, 'the hook')
    observer.leave()
    await until(() => calls[left]?.length === 2, 'the executor to be told')
    gone?.()
    assert.deepEqual(await get(used), { status: 200, body: 'data: 0\n\n' })
    await server.idle()
    assert.deepEqual(calls, {
      [used]: ['admit', 'run', 'admit', 'run'],
      [throws]: ['admit', 'cancel: error'],
      [replaced]: ['admit', 'cancel: error'],
      [closes]: ['admit', 'cancel: ended'],
      [fails]: ['admit', 'cancel: error'],
      [left]: ['admit', 'cancel: client'],
    })
  })

  promises.shared('nothing stays counted when streams are over', async (server) => {
    const flags = makeFlags()
    const ended = await server.route(producers.numbers, { count: 3 })
    const failed = await server.route(producers.throwing, undefined)
    const left = await server.route(producers.awaitingSignal, { flags, reason: 'client' })
    await server.receive(ended)
    await server.receive(failed)
    const observer = await server.observeFirst(left, flags)
    assert.equal(server.load().running, 1)
    observer.leave()
    await server.idle()
    const { running, waiting, admitted, refused, lost } = server.load()
    assert.deepEqual(
      { running, waiting, admitted, refused, lost },
      { running: 0, waiting: 0, admitted: 3, refused: 0, lost: 0 },
    )
    const { routes } = server.app.sse.stats()
    assert.deepEqual(
      Object.values(routes).map(({ open, opened, closed }) => ({ open, opened, closed })),
      [
        { open: 0, opened: 1, closed: { ended: 1 } },
        { open: 0, opened: 1, closed: { error: 1 } },
        { open: 0, opened: 1, closed: { client: 1 } },
      ],
    )
  })
}

const closeAtOnce = (stream: EventStream): void => stream.close()
