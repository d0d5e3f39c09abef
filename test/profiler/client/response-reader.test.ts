import { describe, expect, test } from 'vitest'
import { ResponseFault, ResponseReader } from '../../../profiler/client/response-reader.ts'
import { chunk, END, HEAD } from '../profiling.ts'

/** What a reader makes of a response in pieces of some size, and whether it is whole once the connection closes. */
function read(response: string, size: number): { body: string; complete: boolean; reusable: boolean } {
  let body = ''
  const reader = new ResponseReader({
    scan: (bytes, from, to) => (body += bytes.toString('latin1', from, to)),
  })
  const bytes = Buffer.from(response, 'latin1')
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size))
  return { body, complete: reader.complete || reader.end(), reusable: reader.reusable }
}

const TYPE = 'content-type: text/event-stream\r\n'

describe.each([1, 2, 3, 7, 1_000])('a response in pieces of %i bytes', (size) => {
  test.each([
    ['chunks', HEAD + chunk('data: a\n\n') + chunk('data: bcd\n\n') + END, true],
    [
      'chunks with extensions and trailers',
      `${HEAD}9;a="b"\r\ndata: a\n\n\r\n0b \r\ndata: bcd\n\n\r\n0\r\nx: y\r\n\r\n`,
      true,
    ],
    ['a length', `HTTP/1.1 200 OK\r\n${TYPE}content-length: 20\r\n\r\ndata: a\n\ndata: bcd\n\n`, true],
    ['an end', `HTTP/1.1 200 OK\r\n${TYPE}\r\ndata: a\n\ndata: bcd\n\n`, false],
    ['an end, in HTTP/1.0', `HTTP/1.0 200\r\n${TYPE}\r\ndata: a\n\ndata: bcd\n\n`, false],
    [
      'interim heads',
      `HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${HEAD}${chunk('data: a\n\ndata: bcd\n\n')}${END}`,
      true,
    ],
    [
      'a connection that is closed',
      `HTTP/1.1 200 OK\r\nConnection: close\r\n${TYPE}content-length: 20\r\n\r\ndata: a\n\ndata: bcd\n\n`,
      false,
    ],
  ])('with %s', (_, response, reusable) => {
    expect(read(response, size)).toEqual({ body: 'data: a\n\ndata: bcd\n\n', complete: true, reusable })
  })

  test.each([
    ['malformed', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['malformed', 'HTTP/2 200\r\n\r\n'],
    ['malformed', 'HTTP/1.1 abc\r\n\r\n'],
    ['malformed', 'HTTP/1.1 200 OK\r\nno field\r\n\r\n'],
    ['malformed', `${HEAD}\r\n`],
    ['malformed', `${HEAD}g\r\n`],
    ['malformed', `${HEAD}1\r\nab\r\n`],
    ['malformed', `${HEAD}${'f'.repeat(20)}\r\n`],
    ['malformed', `${HEAD}${END}more`],
    ['malformed', `HTTP/1.1 200 OK\r\n${TYPE}content-length: -1\r\n\r\n`],
    ['malformed', `HTTP/1.1 200 OK\r\n${TYPE}transfer-encoding: gzip, chunked\r\n\r\n`],
    ['status', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['not-event-stream', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['not-event-stream', 'HTTP/1.1 200 OK\r\ncontent-type: text/event-streams\r\n\r\n'],
    ['content-encoding', `HTTP/1.1 200 OK\r\n${TYPE}content-encoding: br\r\n\r\n`],
  ])('that is none: %s, %j', (outcome, response) => {
    let fault: unknown
    try {
      read(response, size)
    } catch (error) {
      fault = error
    }
    expect(fault).toBeInstanceOf(ResponseFault)
    expect((fault as ResponseFault).outcome).toBe(outcome)
  })

  test.each([
    ['a head', 'HTTP/1.1 200 OK\r\ncontent-type'],
    ['chunks', HEAD + chunk('data: a\n\n')],
    ['a length', `HTTP/1.1 200 OK\r\n${TYPE}content-length: 20\r\n\r\ndata: a\n\n`],
  ])('that is cut within %s', (_, response) => {
    expect(read(response, size).complete).toBe(false)
  })
})
