import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { pictureOf } from '../../../bench/report/picture.ts'
import { Chromium } from '../../support/chromium.ts'
import { GATE, someResults } from './some-results.ts'

let chromium: Chromium
let directory: string

beforeAll(async () => {
  chromium = await Chromium.launch()
  directory = mkdtempSync(join(tmpdir(), 'headfirst-picture-'))
}, 120_000)

afterAll(async () => {
  await chromium.close()
  rmSync(directory, { recursive: true, force: true })
})

test.each([
  ['light', 'rgb(26, 30, 36)', 'rgb(255, 255, 255)'],
  ['dark', 'rgb(231, 234, 238)', 'rgb(21, 24, 29)'],
] as const)(
  'is well-formed, says what it shows, and suits a page in %s',
  async (colorScheme, ink, ground) => {
    const file = join(directory, `${colorScheme}.svg`)
    writeFileSync(file, pictureOf(someResults()) as string)
    const context = await chromium.browser.newContext({ colorScheme })
    onTestFinished(async () => context.close())
    const page = await context.newPage()
    const requests: string[] = []
    page.on('request', (request) => requests.push(request.url()))
    // An error in the XML would be shown in place of the picture.
    await page.goto(pathToFileURL(file).href)
    expect(await page.evaluate('document.querySelectorAll("parsererror").length')).toBe(0)
    expect(await page.evaluate('document.documentElement.getAttribute("aria-label")')).toMatch(
      /workers 2\.09 and 2\.50 ms, idle 1\.24 and 1\.30 ms/,
    )
    expect(await page.evaluate('getComputedStyle(document.querySelector(".title")).fill')).toBe(ink)
    // Its ink is readable on whatever page shows it.
    expect(await page.evaluate('getComputedStyle(document.documentElement).backgroundColor')).toBe(ground)
    const outside = await page.evaluate(`[...document.querySelectorAll('text')].filter((text) => {
    const { x, y, width, height } = text.getBBox()
    const box = document.documentElement.viewBox.baseVal
    return x < box.x || y < box.y || x + width > box.x + box.width || y + height > box.y + box.height
  }).map((text) => text.textContent)`)
    expect(outside).toEqual([])
    expect(requests).toEqual([pathToFileURL(file).href])
  },
)

test('is not drawn of rows that are INVALID, that failed, or that are too short', () => {
  const { blocks } = someResults()
  const gate = { ...GATE, failures: ['generator 90 % busy'] }
  const errors = { timeout: 1 }
  for (const unfit of [
    blocks.map((row) => ({ ...row, gate })),
    blocks.map((row) => ({ ...row, errors })),
    blocks.filter(({ load }) => load < 1),
  ]) {
    expect(pictureOf(someResults({ blocks: unfit }))).toBeUndefined()
  }
})
