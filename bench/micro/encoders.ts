/**
 * The encoders that are compared: each turns one event into its text. They get the same events, and each gets
 * them in the shape that it takes. Some do less than others: the naive one, and what the peers leave unchecked,
 * let a line end in a field forge another field.
 */
import { EventBuffer } from 'better-sse'
import { serializeSSEEvent } from 'fastify-sse-v2/lib/sse.js'
import { SSEStreamingApi } from 'hono/streaming'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { compileFunction } from 'node:vm'
import { built } from '../servers/built.ts'

/** An event with all that is common. */
export interface FullEvent {
  event: string
  id: string
  data: { [key: string]: unknown }
}

export interface Encoder {
  name: string
  text(data: string): string | Promise<string>
  full(event: FullEvent): string | Promise<string>
}

type Encode = (event: string | FullEvent) => string

/** Ours is not exported by the package: it is measured in the file that the package ships. */
async function headfirst(): Promise<Encoder> {
  const { encodeEvent } = await built<{ encodeEvent: Encode }>('sse/event.js')
  return { name: 'headfirst', text: encodeEvent, full: encodeEvent }
}

const naive: Encoder = {
  name: 'naive template',
  text: (data) => `data: ${data}\n\n`,
  full: ({ event, id, data }) => `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`,
}

/** Its formatter is private: its file is compiled once more, with one line that returns it. */
function fastifySse(): Encoder {
  const file = createRequire(import.meta.url).resolve('@fastify/sse')
  const load = compileFunction(
    `${readFileSync(file, 'utf8')}\nreturn formatSSEMessage`,
    ['require', 'module', 'exports'],
    { filename: file },
  ) as (require: NodeJS.Require, module: object, exports: object) => unknown
  const format = load(createRequire(file), { exports: {} }, {}) as (
    message: string | FullEvent,
    serializer: (data: unknown) => string,
  ) => string
  return {
    name: '@fastify/sse',
    text: (data) => format(data, JSON.stringify),
    full: (event) => format(event, JSON.stringify),
  }
}

function taken(buffer: EventBuffer): string {
  const text = buffer.read()
  buffer.clear()
  return text
}

function betterSse(): Encoder {
  const ofText = new EventBuffer({ serializer: String })
  const ofJson = new EventBuffer()
  return {
    name: 'better-sse',
    text: (data) => taken(ofText.data(data).dispatch()),
    full: ({ event, id, data }) => taken(ofJson.event(event).id(id).data(data).dispatch()),
  }
}

const fastifySseV2: Encoder = {
  name: 'fastify-sse-v2',
  text: (data) => serializeSSEEvent({ data }),
  full: ({ event, id, data }) => serializeSSEEvent({ event, id, data: JSON.stringify(data) }),
}

/** Its encoder is a method that also writes; here what is written is kept. It is async, and so is its cost. */
function hono(): Encoder {
  let written = ''
  const stream = {
    write(text: string) {
      written = text
    },
  }
  const encode = async (message: { data: string; event?: string; id?: string }): Promise<string> => {
    await SSEStreamingApi.prototype.writeSSE.call(stream as unknown as SSEStreamingApi, message)
    return written
  }
  return {
    name: 'hono (async)',
    text: async (data) => encode({ data }),
    full: async ({ event, id, data }) => encode({ event, id, data: JSON.stringify(data) }),
  }
}

export async function encoders(): Promise<Encoder[]> {
  return [await headfirst(), naive, fastifySse(), betterSse(), fastifySseV2, hono()]
}
