/** The messages between the server's thread and a worker thread. Events go through the ring instead. */
import { MessagePort } from 'node:worker_threads'
import type { Order } from '../elsewhere/order.ts'
import type { ProducerReference } from '../elsewhere/portable.ts'

/** The `workerData` of each thread. */
export interface ThreadSettings {
  /** The URL of entry.ts, for boot.cjs. */
  entry: string
  /** Streams that it may have at a time. */
  streams: number
  /** Bytes of data in the thread's ring. */
  ringBytes: number
}

/** A thread's first message. */
export interface Hello {
  /** `ring` and `credit` are shared with the server's thread and with no other thread. */
  ring: SharedArrayBuffer
  /** The cells of its streams, see credit.ts. */
  credit: SharedArrayBuffer
  /** Receives doorbells (null) from the thread, and sends it {@link Notice}s. */
  port: MessagePort
}

/** False for any other message, which a producer may have posted to `parentPort`. */
export function isHello(message: unknown): message is Hello {
  if (typeof message !== 'object' || message === null) return false
  const { ring, credit, port } = message as Partial<Hello>
  return (
    ring instanceof SharedArrayBuffer && credit instanceof SharedArrayBuffer && port instanceof MessagePort
  )
}

/** The piscina task that runs one stream. */
export interface StreamOrder extends Order {
  /** Unique in its pool until it wraps at 2^32, so that late frames of an ended stream match no other. */
  stream: number
  /** Index of its words in the credit, see credit.ts. */
  cell: number
  /** Bytes over which `send()` blocks; undefined if it never does. */
  blockOver: number | undefined
}

/** The piscina task that loads a module before its first stream. It returns an encoded error, or undefined. */
export interface ModuleOrder {
  module: ProducerReference
}

/** Sent when the server's thread has closed a stream, or has changed its words while the worker waits for a message. */
export interface Notice {
  stream: number
}
