/** Brief runs of the command, and the files that they write. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Document } from '../../profiler/report/document.ts'
import { answering, chunk, END, HEAD } from './profiling.ts'

/** A closed loop: no send lag that a busy machine could make a measurement invalid with. */
export const CLOSED: readonly string[] = ['--closed', '1', '--duration', '300ms', '--warmup', '0']

/** Each stream takes a while, so that the generator of a closed loop is not busy. */
export const good = async (): Promise<string> =>
  answering((socket) => {
    socket.write(HEAD + chunk('data: a\n\n'))
    setTimeout(() => socket.end(END), 20)
  })

export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'headfirst-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

export const documentIn = (file: string): Document => JSON.parse(readFileSync(file, 'utf8')) as Document

export interface Results {
  version: number
  measurement: { arrivals: number; generators: number; interrupted: boolean }
  judged: { holds?: boolean }[]
  capacity: { steps: { rate: number; holds: boolean }[]; highest?: number }
}
