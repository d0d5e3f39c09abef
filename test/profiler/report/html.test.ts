import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Document } from '../../../profiler/report/document.ts'
import { toHtml } from '../../../profiler/report/html.ts'
import { resultsDocument } from '../../../bench/report/document.ts'
import { Chromium } from '../../support/chromium.ts'
import { HOSTILE, LEAST, WHOLE } from './documents.ts'
import { someResults } from '../../bench/report/some-results.ts'

const BENCH = resultsDocument(someResults(), [])
const DOCUMENTS: [string, Document][] = [
  ['with everything', WHOLE],
  ['with next to nothing', LEAST],
  ['with hostile texts', HOSTILE],
  ['of the bench', BENCH],
]

const PHONE = { width: 390, height: 844 }
const DESK = { width: 1_280, height: 900 }

let chromium: Chromium
let directory: string

beforeAll(async () => {
  chromium = await Chromium.launch()
  directory = mkdtempSync(join(tmpdir(), 'headfirst-report-'))
}, 120_000)

afterAll(async () => {
  await chromium.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Opens the document from disk. */
async function open(
  document: Document,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; seen: string[] }> {
  const file = join(directory, 'report.html')
  writeFileSync(file, toHtml(document))
  const context = await chromium.browser.newContext({ viewport: DESK, ...options })
  onTestFinished(async () => context.close())
  const page = await context.newPage()
  const seen: string[] = []
  const url = pathToFileURL(file).href
  page.on('console', (message) => seen.push(`console: ${message.text()}`))
  page.on('pageerror', (error) => seen.push(`error: ${error.message}`))
  page.on('request', (request) => {
    if (request.url() !== url) seen.push(`request: ${request.url()}`)
  })
  await page.goto(url)
  return { page, seen }
}

const charts = ({ blocks }: Document): number =>
  blocks.filter(({ kind }) => kind !== 'text' && kind !== 'table').length

/** Texts that can be seen, whose contrast to what is behind them is less than WCAG 2.2 (1.4.3) asks for. */
const FAINT = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const channels = (colour) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((value) => {
      const share = value / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = channels(getComputedStyle(one).backgroundColor)
      if (colour[3] === 255) return colour
    }
    return [255, 255, 255, 255]
  }
  const found = { texts: 0, faint: [] }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (walker.currentNode.data.trim() === '' || element.getClientRects().length === 0) continue
    if (element.tagName === 'title') continue
    const style = getComputedStyle(element)
    const colour = channels(element.closest('svg') ? style.fill : style.color)
    const [one, other] = [luminance(colour), luminance(behind(element))]
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
    found.texts++
    if (contrast < 4.5) found.faint.push(walker.currentNode.data.trim() + ': ' + contrast.toFixed(2))
  }
  return found
})()`

describe.each(DOCUMENTS)('a document %s', (_, document) => {
  test.each(['light', 'dark'] as const)(
    'opens from disk in %s without a network, a script or an error, and is readable',
    async (colorScheme) => {
      const { page, seen } = await open(document, { colorScheme })
      expect(await page.evaluate('document.scripts.length')).toBe(0)
      const { texts, faint } = await page.evaluate<{ texts: number; faint: string[] }>(FAINT)
      expect(faint).toEqual([])
      expect(texts).toBeGreaterThan(charts(document) + 1)
      expect(seen).toEqual([])
    },
  )

  test.each([
    ['a phone', PHONE],
    ['a desk', DESK],
    ['something between', { width: 820, height: 1_180 }],
  ])('is no wider than %s', async (_name, viewport) => {
    const { page } = await open(document, { viewport })
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
  })

  test.each([
    ['wide', DESK],
    ['narrow', PHONE],
  ])('has one drawing, with a name, and a table of each chart where it is %s', async (_name, viewport) => {
    const { page } = await open(document, { viewport })
    // By role: what is hidden has none.
    const drawings = page.getByRole('img')
    expect(await drawings.count()).toBe(charts(document))
    for (const drawing of await drawings.all()) {
      expect(await drawing.getAttribute('aria-label')).toMatch(/\S/)
      const box = await drawing.boundingBox()
      expect(box?.width).toBeGreaterThan(200)
    }
    expect(await page.locator('figure details table').count()).toBe(charts(document))
  })

  test('can be printed', async () => {
    const { page } = await open(document, { colorScheme: 'dark' })
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
    expect(await page.evaluate('getComputedStyle(document.documentElement).backgroundColor')).toBe(
      'rgb(255, 255, 255)',
    )
    expect(await page.getByRole('img').count()).toBe(charts(document))
  })
})

test('texts stay inside of their drawings', async () => {
  for (const viewport of [PHONE, DESK]) {
    for (const document of [WHOLE, BENCH]) {
      const { page } = await open(document, { viewport })
      const outside = await page.evaluate<string[]>(`[...document.querySelectorAll('svg text')]
        .filter((text) => text.getClientRects().length > 0)
        .filter((text) => {
          const [inner, outer] = [text.getBoundingClientRect(), text.closest('svg').getBoundingClientRect()]
          return inner.left < outer.left - 2 || inner.right > outer.right + 2
        })
        .map((text) => text.textContent)`)
      expect(outside).toEqual([])
    }
  }
})

test('what has no place on an axis is left out', () => {
  const points: [number, number][] = [
    [0, 0],
    [1, 0],
    [2, 5],
    [3, -1],
  ]
  const axes = [{ label: 'plain' }, { label: 'nines', logarithmic: true }]
  const html = toHtml({
    ...LEAST,
    blocks: [
      ...axes.flatMap((x) =>
        axes.map((y) => ({
          kind: 'lines' as const,
          title: '',
          x,
          y,
          series: [{ name: '', points }],
          notes: [],
        })),
      ),
      {
        kind: 'lines',
        title: '',
        x: { label: '' },
        y: { label: '' },
        series: [{ name: '', points: [[1, 1]] }],
        notes: [],
      },
      {
        kind: 'percentiles',
        title: '',
        series: [
          {
            name: '',
            points: [
              [0, 0],
              [50, 0],
              [99, 7],
              [100, 9],
            ],
          },
        ],
        notes: [],
      },
      ...LEAST.blocks,
    ],
  })
  expect(html).not.toMatch(/NaN|Infinity|undefined|\[object/)
})

test('texts are texts', async () => {
  const { page } = await open(HOSTILE)
  expect(await page.locator('h1').textContent()).toBe(HOSTILE.title)
  expect(await page.locator('body img, body script').count()).toBe(0)
  expect(await page.locator('figure').count()).toBe(charts(HOSTILE))
})

test('a table scrolls in its frame, with the keyboard too', async () => {
  const { page } = await open(BENCH, { viewport: PHONE })
  const frame = page.getByRole('region').first()
  await frame.focus()
  await page.keyboard.press('ArrowRight')
  await expect
    .poll(async () => page.evaluate(`document.querySelector('.scroll').scrollLeft`))
    .toBeGreaterThan(0)
})
