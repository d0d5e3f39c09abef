import type { Executor } from '../../runtime/executor.ts'
export interface WorkersOptions { threads?: number }
export function workers(_options: WorkersOptions = {}): Executor { return { run: (task) => task.produce() } }
