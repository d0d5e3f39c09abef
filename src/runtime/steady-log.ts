import type { AsyncResource } from 'node:async_hooks'
import type { LogLevel, StreamLog } from '../sse/stream.ts'

type Entry = Parameters<StreamLog[LogLevel]>

/**
 * A log whose methods never throw.
 *
 * A logger may throw: because its disk is full, or because it cannot read what it gets. Often a line is written just
 * before a stream is closed or a thread is stopped, and neither may depend on the logger.
 */
export class SteadyLog implements StreamLog {
  readonly #log: StreamLog & { readonly level: string }
  readonly #context: AsyncResource | undefined

  /** @param context the async context of each line, for a logger that adds values of it. Default: the caller's */
  constructor(log: StreamLog & { readonly level: string }, context?: AsyncResource) {
    this.#log = log
    this.#context = context
  }

  get level(): string {
    return this.#log.level
  }

  trace(...entry: Entry): void {
    this.#write('trace', entry)
  }

  debug(...entry: Entry): void {
    this.#write('debug', entry)
  }

  info(...entry: Entry): void {
    this.#write('info', entry)
  }

  warn(...entry: Entry): void {
    this.#write('warn', entry)
  }

  error(...entry: Entry): void {
    this.#write('error', entry)
  }

  fatal(...entry: Entry): void {
    this.#write('fatal', entry)
  }

  #write(level: LogLevel, entry: Entry): void {
    try {
      if (this.#context === undefined) this.#log[level](...entry)
      else this.#context.runInAsyncScope(this.#log[level], this.#log, ...entry)
    } catch {
      this.#writeLegibly(level, entry)
    }
  }

  /** The same line with an error that every logger can read. If that throws too, the line is dropped. */
  #writeLegibly(level: LogLevel, [first, message]: Entry): void {
    try {
      if (typeof first !== 'string' && 'err' in first) {
        this.#log[level]({ ...first, err: legible(first.err) }, message ?? '')
      }
    } catch {
      // There is no other place for it.
    }
  }
}

/** A copy of an error that a logger cannot read: a frozen one, or one whose getters throw. */
function legible(thrown: unknown): Error {
  try {
    const { message, stack } = thrown as { message: unknown; stack: unknown }
    return Object.defineProperty(new Error(String(message)), 'stack', { value: String(stack) })
  } catch {
    return new Error('What was thrown cannot be read')
  }
}
