import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { reportFiles, writeReports } from '../../profiler/command/report-file.ts'
import { UsageError } from '../../profiler/usage-error.ts'

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'headfirst-report-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** In a folder of its own. */
function older(text = 'older'): string {
  const path = join(folder(), 'report.html')
  writeFileSync(path, text)
  return path
}

test('what is to be written is tried, and leaves nothing behind', () => {
  const [there, place] = [older(), folder()]
  const given = { html: relative(process.cwd(), there), json: join(place, 'a.json'), picture: undefined }
  expect(reportFiles(given)).toEqual({ html: there, json: join(place, 'a.json'), picture: undefined })
  expect(readFileSync(there, 'utf8')).toBe('older')
  expect(readdirSync(place)).toEqual([])
})

test.each<[string, () => string, RegExp]>([
  ['a folder', folder, /^--html: can't write \/.+: it is a folder\. Name a file in it$/],
  ['a folder that is to come', () => `${folder()}/out/`, /it is a folder\. Name a file in it$/],
  ['nothing', () => '', /^--html: expected the name of a file, got ""$/],
  [
    'a file in no folder',
    () => join(folder(), 'out', 'a.html'),
    /there is no folder \/.+\/out\. Make it first$/,
  ],
  ['a file in a file', () => join(older(), 'a.html'), /\/report\.html is no folder\. Name a file in one$/],
  [
    'a file in a file, deeper',
    () => join(older(), 'out', 'a.html'),
    /there is no folder \/.+\/out\. Make it first$/,
  ],
  [
    'a link that leads nowhere',
    () => {
      const link = join(folder(), 'link')
      symlinkSync(join(folder(), 'nothing'), link)
      return link
    },
    /it is a link to a file that does not exist\. Name a file that may be written$/,
  ],
  [
    'a name that is too long',
    () => join(folder(), 'x'.repeat(256)),
    /ENAMETOOLONG.*\. Name a file that may be written$/,
  ],
])('%s is a usage error with what to do', (_, make, message) => {
  const file = make()
  expect(() => reportFiles({ html: file })).toThrow(UsageError)
  expect(() => reportFiles({ html: file })).toThrow(message)
})

test.runIf(existsSync('/proc/self'))(
  'a file is tried, and not only inspected: where none may be made, not even by root',
  () => {
    expect(() => reportFiles({ json: '/proc/report.json' })).toThrow(/^--json: can't write \/proc\//)
  },
)

test.skipIf(process.getuid?.() === 0)('a file that may only be read is a usage error', () => {
  const file = older()
  chmodSync(file, 0o444)
  expect(() => reportFiles({ html: file })).toThrow(/EACCES.*\. Name a file that may be written$/)
})

test('no two reports go to one file, but to one device', () => {
  const path = join(folder(), 'report')
  expect(() => reportFiles({ html: path, json: join(path, '..', 'report') })).toThrow(
    `--json: ${path} is the file of --html already. Name another`,
  )
  expect(reportFiles({ html: '/dev/null', json: '/dev/null' })).toEqual({
    html: '/dev/null',
    json: '/dev/null',
  })
})

test('a pipe is not opened before there is something to write', () => {
  const pipe = join(folder(), 'pipe')
  execFileSync('mkfifo', [pipe])
  expect(reportFiles({ json: pipe })).toEqual({ json: pipe })
})

test('a report takes the place of an older one, of which links and permissions stay', () => {
  const file = older('older '.repeat(1_000))
  chmodSync(file, 0o600)
  const link = join(folder(), 'link.html')
  symlinkSync(file, link)
  writeReports({ html: link, json: undefined }, { html: () => 'newer', json: () => 'never' }, true)
  expect(readFileSync(file, 'utf8')).toBe('newer')
  expect(readlinkSync(link)).toBe(file)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readdirSync(join(file, '..'))).toEqual(['report.html'])
})

test('what has measured nothing replaces no older report', () => {
  const [html, json] = [older(), join(folder(), 'report.json')]
  const files = { html, json }
  const texts = { html: () => 'nothing', json: () => 'nothing' }
  writeReports(files, texts, false)
  expect(readFileSync(html, 'utf8')).toBe('older')
  expect(readFileSync(json, 'utf8')).toBe('nothing')
})

test('one that cannot be written, or made, keeps none of the others from it', () => {
  const [html, picture] = [older(), older()]
  const json = join(folder(), 'out', 'report.json')
  mkdirSync(join(json, '..'))
  const files = reportFiles({ json, picture, html })
  rmSync(join(json, '..'), { recursive: true })
  const texts = {
    json: () => 'newer',
    picture: () => {
      throw new Error('no room for its text')
    },
    html: () => 'newer',
  }
  expect(() => writeReports(files, texts, true)).toThrow(/^--json: can't write \/.+: ENOENT/)
  expect(readFileSync(html, 'utf8')).toBe('newer')
  expect(readFileSync(picture, 'utf8')).toBe('older')
})

test('what has no text is not written', () => {
  const picture = older()
  writeReports({ picture }, { picture: () => undefined }, true)
  expect(readFileSync(picture, 'utf8')).toBe('older')
})
