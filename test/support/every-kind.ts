/** Events of every kind, for decoders that are not ours. */
import { producer, type EventInput, type EventStream, type PortableProducer } from '../../src/index.ts'

/** What is sent, and what a client that follows the standard makes of it (HTML Living Standard, 9.2.6). */
export const KINDS: readonly (readonly [
  sent: EventInput,
  received: { event?: string; data: string; id?: string } | undefined,
])[] = [
  ['text', { data: 'text' }],
  ['', { data: '' }],
  [{ data: '' }, { data: '' }],
  [' leading and trailing ', { data: ' leading and trailing ' }],
  ['two\nlines', { data: 'two\nlines' }],
  ['every\rline\r\nend\n\n\r\r\n', { data: 'every\nline\nend\n\n\n\n' }],
  ['\n', { data: '\n' }],
  ['é 中 😀 \u2028 \u2029 \u0085 \uFEFF', { data: 'é 中 😀 \u2028 \u2029 \u0085 \uFEFF' }],
  ['\uFEFFfirst', { data: '\uFEFFfirst' }],
  ['\0\t\v\f\x7F', { data: '\0\t\v\f\x7F' }],
  ['lone \uD800 surrogate', { data: 'lone \uFFFD surrogate' }],
  [': no comment', { data: ': no comment' }],
  ['event: forged\n\nid: forged\rretry: 1\r\n: x', { data: 'event: forged\n\nid: forged\nretry: 1\n: x' }],
  [
    { event: 'named', data: 'x' },
    { event: 'named', data: 'x' },
  ],
  [
    { event: ' näme: 😀 ', data: 'x' },
    { event: ' näme: 😀 ', data: 'x' },
  ],
  [{ event: '', data: 'x' }, { data: 'x' }],
  [
    { id: 'ïd 1', data: 'x' },
    { id: 'ïd 1', data: 'x' },
  ],
  [
    { id: 0, data: 0 },
    { id: '0', data: '0' },
  ],
  [
    { id: -1.5, data: null },
    { id: '-1.5', data: 'null' },
  ],
  [
    { id: '', data: false },
    { id: '', data: 'false' },
  ],
  [{ retry: 0, data: 'x' }, { data: 'x' }],
  [{ retry: 86_400_000 }, undefined],
  [{ event: 'never', id: 'dispatched' }, undefined],
  [
    { event: 'all', id: 7, retry: 1_500, data: { a: ['é\n', null], b: { c: 1.5 } } },
    { event: 'all', id: '7', data: '{"a":["é\\n",null],"b":{"c":1.5}}' },
  ],
  [{ data: [] }, { data: '[]' }],
  [{ data: 'x'.repeat(300_000) }, { data: 'x'.repeat(300_000) }],
  [{ data: '😀\n'.repeat(20_000) }, { data: '😀\n'.repeat(20_000) }],
  [
    { event: 'e'.repeat(5_000), id: 'i'.repeat(5_000), data: '' },
    { event: 'e'.repeat(5_000), id: 'i'.repeat(5_000), data: '' },
  ],
]

export const COMMENTS = ['', 'a comment', 'é\ndata: forged\r\n\rid: forged'] as const

/** Sends each kind, comments between them, at the pace of the client. */
export const everyKind: PortableProducer = producer(import.meta.url, async (stream: EventStream) => {
  for (const [n, [sent]] of KINDS.entries()) {
    if (!stream.send(sent)) await stream.ready()
    const comment = COMMENTS[n]
    if (comment !== undefined) stream.comment(comment)
  }
})
