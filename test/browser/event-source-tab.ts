import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { onTestFinished } from 'vitest'
import type { Testbed } from '../support/testbed.ts'

/** An event as the page has seen it. */
export interface Seen {
  type: string
  data: string
  lastEventId: string
}

/** The states of an EventSource (HTML Living Standard, 9.2.2). */
export const State = { CONNECTING: 0, OPEN: 1, CLOSED: 2 } as const

const PAGE = `<!doctype html>
<title>EventSource</title>
<script>
  const sources = {}, seen = {}
  function listen(path, types) {
    seen[path] = []
    sources[path] = new EventSource(path)
    for (const type of types) {
      sources[path].addEventListener(type, ({ type, data, lastEventId }) => {
        seen[path].push({ type, data, lastEventId })
      })
    }
  }
</script>`

/** A page of the app itself, in the browser. What is asked for is called by its path. */
export class Tab {
  readonly #page: Page

  private constructor(page: Page) {
    this.#page = page
  }

  /** Opens the page; it is closed when the test has finished. */
  static async open(browser: Browser, { app }: Testbed): Promise<Tab> {
    app.get('/', async (_, reply) => reply.type('text/html').send(PAGE))
    await app.listen({ port: 0, host: '127.0.0.1' })
    const page = await browser.newPage()
    onTestFinished(async () => page.close())
    await page.goto(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/`)
    return new Tab(page)
  }

  /** Makes an EventSource. */
  async listen(path: string, types: readonly string[] = ['message']): Promise<void> {
    await this.#page.evaluate(`listen(${JSON.stringify(path)}, ${JSON.stringify(types)})`)
  }

  /** What has been seen, once so much has. */
  async seen(path: string, least: number): Promise<Seen[]> {
    const seen = `seen[${JSON.stringify(path)}]`
    await this.#page.waitForFunction(`${seen}.length >= ${least}`)
    return this.#page.evaluate<Seen[]>(seen)
  }

  async state(path: string): Promise<number> {
    return this.#page.evaluate<number>(`sources[${JSON.stringify(path)}].readyState`)
  }

  /** Resolves when the EventSource is in this state. */
  async until(path: string, state: number): Promise<void> {
    await this.#page.waitForFunction(`sources[${JSON.stringify(path)}].readyState === ${state}`)
  }

  /** Closes the EventSource. */
  async close(path: string): Promise<void> {
    await this.#page.evaluate(`sources[${JSON.stringify(path)}].close()`)
  }
}
