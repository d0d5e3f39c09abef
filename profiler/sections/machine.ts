/** The machine of a run: what has to be alike before two runs are compared. */
import { availableParallelism, cpus, release } from 'node:os'

export function machine(): [name: string, value: string][] {
  return [
    ['node', process.version],
    ['system', `${process.platform} ${process.arch} ${release()}`],
    ['CPU', cpus()[0]?.model.trim() ?? 'unknown'],
    ['cores', String(availableParallelism())],
  ]
}
