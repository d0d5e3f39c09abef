/** Every built-in executor: what is promised of a stream's life is promised on all of them. */
export const EXECUTORS = ['inline', 'microtask', 'deferred', 'workers'] as const
