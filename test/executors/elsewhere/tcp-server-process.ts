import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A process of far ends that is running. */
export class FarServer {
  readonly process: ChildProcess
  readonly port: number
  /** Streams that run on its link. */
  open = 0

  private constructor(process: ChildProcess, port: number) {
    this.process = process
    this.port = port
    process.on('message', ({ open }: { open: number }) => (this.open = open))
  }

  static async start(): Promise<FarServer> {
    const child = fork(fileURLToPath(new URL('tcp-server.ts', import.meta.url)))
    const [{ port }] = (await once(child, 'message')) as [{ port: number }]
    return new FarServer(child, port)
  }

  async kill(): Promise<void> {
    const gone = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await gone
  }
}
