import type { Coding } from './decoded-body.ts'
import type { EventShape } from './fixed-events.ts'

/** Where streams are, and what makes one complete. */
export interface Target {
  port: number
  path: string
  /** Whether to use TLS, with any certificate. Default: no. */
  tls?: boolean
  /** How many events each stream has, numbered from 0; undefined where nothing is known of them. */
  events: number | undefined
  /** Undefined where events may be of any kind. */
  shape?: EventShape | undefined
  /** The client's own address, one of the loopback interface: each has ports of its own. Default: 127.0.0.1. */
  localAddress?: string
  /** What the client accepts, and the body has to be in. Its events are seen some ms late. Default: none. */
  coding?: Coding | undefined
}
