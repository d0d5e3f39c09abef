import type { Document } from '../../../profiler/report/document.ts'

/** All that there can be: a field that is added to the types has to be added here too. */
type Whole<Part> = Part extends string | number | boolean | undefined
  ? Part
  : Part extends readonly [infer First, infer Second]
    ? readonly [Whole<First>, Whole<Second>]
    : Part extends readonly (infer Item)[]
      ? readonly Whole<Item>[]
      : { [Key in keyof Part]-?: Whole<Exclude<Part[Key], undefined>> }

const latency = (fastest: number, slowest: number): [number, number][] =>
  Array.from({ length: 100 }, (_, index) => {
    const fraction = 1 - 10 ** ((-3 * index) / 99)
    return [fraction * 100, fastest * (slowest / fastest) ** ((index / 99) ** 1.6)]
  })

/** Every kind of block, and every field of it. */
export const WHOLE: Whole<Document> = {
  tool: 'profile',
  title: 'GET http://localhost:3000/ticks at 200 clients per second',
  command: 'npx headfirst profile http://localhost:3000/ticks --rate 200 --duration 30s',
  startedAt: '2026-01-02T03:04:05.678Z',
  environment: [
    ['headfirst', '0.1.0'],
    ['Node', 'v20.20.2'],
    ['CPU', '2 × Some CPU'],
  ],
  blocks: [
    {
      kind: 'text',
      heading: 'In short',
      text: 'Half of the clients had their first byte within 2.1 ms, and 99 of 100 within 48 ms.\nTwo of 6,000 streams have failed.',
    },
    {
      kind: 'table',
      title: 'What the clients have seen',
      columns: [
        { title: 'what', unit: 'of all', align: 'left', digits: 3 },
        { title: 'p50', unit: 'ms', align: 'right', digits: 3 },
        { title: 'p99', unit: 'ms', align: 'right', digits: 2 },
        { title: 'verdict', unit: '', align: 'left', digits: 3 },
      ],
      rows: [
        ['TTFB', 2.1234, 47.9, 'ok'],
        ['TTFE', 3.2, 1_834.6, 'missed'],
        ['gap', 20, undefined, 'unclear'],
      ],
      notes: ['TTFB: first byte of the status line − intended start.'],
    },
    {
      kind: 'percentiles',
      title: 'Of 1,000 clients, one waits 48 ms or longer for its first byte.',
      series: [
        { name: 'TTFB', theory: false, points: latency(1.2, 48) },
        { name: 'TTFE', theory: false, points: latency(2.4, 1_900) },
        { name: 'TTFB by theory', theory: true, points: latency(1.1, 44) },
      ],
      notes: ['TTFE: first dispatched event − intended start.'],
    },
    {
      kind: 'lines',
      title: 'The first byte stays early up to 180 clients per second.',
      x: { label: 'clients', unit: '1/s', logarithmic: false },
      y: { label: 'TTFB p99', unit: 'ms', logarithmic: true },
      series: [
        {
          name: 'measured',
          theory: false,
          points: [
            [50, 3],
            [100, 4.2],
            [150, 9],
            [200, 400],
          ],
        },
        {
          name: 'measured by theory',
          theory: true,
          points: [
            [50, 2.8],
            [100, 4],
            [150, 8],
            [200, 420],
          ],
        },
      ],
      notes: ["W' = max(0, W + S − A)"],
    },
    {
      kind: 'heatmap',
      title: 'Most first bytes came within 4 ms, but for a stall of 2 s.',
      x: { label: 'intended start', unit: 's', logarithmic: false },
      y: { label: 'TTFB', unit: 'ms', logarithmic: true },
      columns: Array.from({ length: 31 }, (_, second) => second),
      rows: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048],
      counts: Array.from({ length: 30 }, (_, second) =>
        Array.from({ length: 11 }, (_value, row) => {
          if (second === 12 || second === 13) return row > 3 ? 18 : 0
          return row < 4 ? Math.round(150 / 3 ** Math.abs(row - 1)) : 0
        }),
      ),
      notes: ['The stronger the colour of a cell, the more clients.'],
    },
    {
      kind: 'timeline',
      title: "The server's thread was busy all the time in the 12th second.",
      series: [
        {
          name: 'main',
          points: Array.from({ length: 61 }, (_, index): [number, number] => [
            index / 2,
            index > 23 && index < 28 ? 1 : 0.3 + 0.1 * Math.sin(index / 3),
          ]),
        },
        {
          name: 'worker 1',
          points: Array.from({ length: 61 }, (_, index): [number, number] => [
            index / 2,
            0.75 + 0.08 * Math.cos(index / 2),
          ]),
        },
      ],
      incidents: [
        { atSeconds: 12, forMs: 2_000, label: 'blocked loop, GET /ticks' },
        { atSeconds: 21.5, forMs: 62, label: 'blocked loop, GET /report' },
      ],
      notes: ['Utilisation: active ÷ elapsed time of the event loop.'],
    },
    {
      kind: 'waterfall',
      title: 'Of twelve connections, those that came during the stall waited for its end.',
      rows: Array.from({ length: 12 }, (_, index) => {
        const wait = index === 5 ? 900 : index === 6 ? 640 : 3 + index
        return {
          label: `#${index * 500}, ${index * 2.5} s`,
          phases: [
            { name: 'connect', fromMs: 0, untilMs: 1.2 },
            { name: 'wait for the first byte', fromMs: 1.2, untilMs: 1.2 + wait },
            { name: 'stream', fromMs: 1.2 + wait, untilMs: 400 + wait },
          ],
          marksMs: [1, 2, 3, 4].map((event) => 1.2 + wait + event * 90),
        }
      }),
      notes: ['Marks: events.'],
    },
  ],
  results: {},
}

/** Each kind of block with no more than it needs. */
export const LEAST: Document = {
  tool: 'bench',
  title: '',
  command: '',
  startedAt: '2026-01-02T03:04:05Z',
  environment: [],
  blocks: [
    { kind: 'text', text: '' },
    { kind: 'table', title: '', columns: [{ title: '' }], rows: [[undefined]], notes: [] },
    { kind: 'percentiles', title: '', series: [{ name: '', points: [] }], notes: [] },
    {
      kind: 'lines',
      title: '',
      x: { label: '' },
      y: { label: '' },
      series: [{ name: '', points: [] }],
      notes: [],
    },
    {
      kind: 'heatmap',
      title: '',
      x: { label: '' },
      y: { label: '' },
      columns: [],
      rows: [],
      counts: [],
      notes: [],
    },
    { kind: 'timeline', title: '', series: [], incidents: [], notes: [] },
    { kind: 'waterfall', title: '', rows: [], notes: [] },
  ],
}

/** The whole, with texts that would break out of HTML wherever one can stand. */
export const HOSTILE: Document = JSON.parse(JSON.stringify(WHOLE), (key, value: unknown) =>
  typeof value === 'string' && !['kind', 'tool', 'align', 'startedAt'].includes(key)
    ? `</style></svg>"'><script>throw new Error(1)</script><img src=http://127.0.0.1:9/ onerror=alert(1)>${value}`
    : value,
) as Document
