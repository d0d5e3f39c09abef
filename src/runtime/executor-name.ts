/** Names that routes may use. Add yours by declaration merging, and editors complete them. */
export interface Executors {
  inline: true
  microtask: true
  deferred: true
  workers: true
}

/** An executor's name: those in {@link Executors}, and any other string, which is checked at registration. */
export type ExecutorName = keyof Executors | (string & {})
