import { KeyObject } from 'node:crypto'
import { BlockList } from 'node:net'
import { types } from 'node:util'
import { classesOf } from '../../../src/executors/elsewhere/loss.ts'
import { producer, type EventStream, type PortableProducer } from '../../../src/index.ts'

/** All that a producer could see of a value: its classes, what is in it, and what in it is one and the same. */
function describe(value: unknown, seen: unknown[] = []): unknown {
  if (typeof value !== 'object' || value === null) {
    return `${typeof value} ${Object.is(value, -0) ? '-0' : String(value)}`
  }
  if (seen.includes(value)) return `the ${seen.indexOf(value)}th object`
  seen.push(value)
  return {
    // Node gives a BlockList that it has copied a class of its name below its own.
    classes: classesOf(value).replace(/^(\w+)<\1</, '$1<'),
    inherits: 'toString' in value,
    content: contentOf(value, (inner) => describe(inner, seen)),
    own: ArrayBuffer.isView(value)
      ? []
      : Object.entries(value).map(([key, inner]) => [key, describe(inner, seen)]),
  }
}

function contentOf(value: object, within: (inner: unknown) => unknown): unknown {
  if (types.isMap(value)) return [...value].map(([key, inner]) => [within(key), within(inner)])
  if (types.isSet(value)) return [...value].map(within)
  if (types.isDate(value)) return value.getTime()
  if (types.isNativeError(value)) return [String(value), value.stack, within(value.cause)]
  if (types.isBoxedPrimitive(value)) return [typeof value.valueOf(), String(value)]
  if (types.isAnyArrayBuffer(value)) return Buffer.from(value).toString('hex')
  // As it stands in an event's data: a Buffer has a toString() of its own.
  if (types.isTypedArray(value)) return [value.toString(), value.length, value.byteOffset]
  if (ArrayBuffer.isView(value)) return [value.byteOffset, within(value.buffer)]
  if (value instanceof KeyObject) return (value.export() as Buffer).toString('hex')
  if (value instanceof BlockList) return value.rules
  if (value instanceof Blob) return [value.size, value.type]
  if (types.isRegExp(value)) return [String(value), value.lastIndex]
  return Array.isArray(value) ? value.length : undefined
}

/** Sends all that can be seen of its input and its context. */
export const describes: PortableProducer<unknown> = producer(
  import.meta.url,
  async (stream: EventStream, input: unknown) => {
    stream.send({ event: 'input', data: describe(input) })
    stream.send({ event: 'context', data: describe(stream.context['extra']) })
  },
  { name: 'describes' },
)
