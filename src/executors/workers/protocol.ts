/** What the two sides of a worker thread tell each other in messages; the events themselves go through the ring. */
import { MessagePort } from 'node:worker_threads'
import type { Order } from '../elsewhere/order.ts'
import type { ProducerReference } from '../elsewhere/portable.ts'

/** Given to each thread when it starts. */
export interface ThreadSettings {
  /** The URL of entry.ts, for boot.cjs. */
  entry: string
  /** How many streams it may have at a time. */
  streams: number
  /** Bytes of data in the thread's ring. */
  ringBytes: number
}

/** A thread's first message. */
export interface Hello {
  /** This and `credit` are memory that no other thread has. */
  ring: SharedArrayBuffer
  /** The slots of its streams, see credit.ts. */
  credit: SharedArrayBuffer
  /** Doorbells come from it (as null), {@link Notice}s go to it. */
  port: MessagePort
}

/** False for what a producer may have posted to its thread's parent. */
export function isHello(message: unknown): message is Hello {
  if (typeof message !== 'object' || message === null) return false
  const { ring, credit, port } = message as Partial<Hello>
  return (
    ring instanceof SharedArrayBuffer && credit instanceof SharedArrayBuffer && port instanceof MessagePort
  )
}

/** One stream for a thread to run; its piscina task. */
export interface StreamOrder extends Order {
  /** Unique in its pool until the number wraps, so that late frames of a dead stream meet no other. */
  stream: number
  slot: number
  /** Bytes over which `send()` waits in place; undefined where it does not. */
  blockOver: number | undefined
}

/** A module that a thread is to load, before any stream of it; as a piscina task it returns an encoded error, or nothing. */
export interface ModuleOrder {
  module: ProducerReference
}

/** The server's thread has changed the words of a stream that asked to be told, or has closed it. */
export interface Notice {
  stream: number
}
