/** The executors that a first look compares. `own` stands for one given with `--executor`. */
export type Contender = 'inline' | 'microtask' | 'deferred' | 'workers' | 'own' | 'idle'

/**
 * What a stream does between its events: arithmetic, sleeping in place (the thread can do nothing else), or waiting
 * for a timer (it can). `own` stands for a producer given with `--producer`, of which nothing is known.
 */
export type Work = 'compute' | 'sleep' | 'wait' | 'own'
