import { isDelivered, isHandedOver } from '../sse/head.ts'
import type { CloseReason } from '../sse/stream.ts'
import { hasTimedOut, watchTimeout, type Transport } from './connection-timeout.ts'
import { Deadlines, type Limited } from './deadlines.ts'
import type { Body, Host } from './opening.ts'
import type { Timeouts } from './options.ts'

/** The response of one stream from its head on: what ends it, and how it has come to its end. */
export class Delivery {
  /** When the head left, on the clock of `performance.now()`. */
  readonly headAt: number
  readonly #host: Pick<Host<never>, 'response' | 'finished'>
  readonly #body: Body
  readonly #transport: Transport | undefined
  #deadlines: Deadlines | undefined
  /** The body has ended, and the kernel has all of it. */
  #isComplete = false

  /** The head leaves now. */
  constructor(host: Pick<Host<never>, 'response' | 'finished'>, body: Body) {
    this.#host = host
    this.#body = body
    this.#transport = watchTimeout(host.response)
    this.headAt = performance.now()
  }

  /** Sets its time limits. */
  limit(timeouts: Readonly<Required<Timeouts>>, limited: Limited): void {
    this.#deadlines = Deadlines.of(timeouts, limited)
  }

  /** All that was taken has been handed over: the body ends. */
  end(): void {
    const { response } = this.#host
    // Node emits 'finish' also when the socket broke with bytes still waiting. To see that, this listener comes before
    // Node's own one, which detaches the socket.
    response.prependOnceListener('finish', () => {
      this.#isComplete ||= isDelivered(response)
      this.stop()
      this.#host.finished()
    })
    this.#body.end()
    // Nothing waited: whatever becomes of the socket, the kernel has all.
    this.#isComplete ||= isHandedOver(response)
  }

  /** How a response that is over came to its end, where the server has not cut it. */
  outcome(): Extract<CloseReason, 'ended' | 'timeout' | 'client'> {
    if (this.#isComplete) return 'ended'
    return hasTimedOut(this.#transport) ? 'timeout' : 'client'
  }

  /** No time limit acts any more. */
  stop(): void {
    this.#deadlines?.stop()
  }
}
