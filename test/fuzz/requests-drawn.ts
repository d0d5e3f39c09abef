import { type Dice, pick, chance } from '../support/random.ts'
/** Requests that no well-meaning client sends, as bytes. */

/** What must not come back as a field of a response. */
export const INJECTED = 'x-injected'

const INJECTIONS = [
  `\r\n${INJECTED}: 1`,
  `\n${INJECTED}: 1`,
  `\r${INJECTED}: 1`,
  // What becomes CR LF where characters are cut to bytes, or are decoded once too often.
  `\u560d\u560a${INJECTED}: 1`,
  `%0d%0a${INJECTED}:%201`,
  `%E5%98%8D%E5%98%8A${INJECTED}: 1`,
  `\\r\\n${INJECTED}: 1`,
  `\r\n\r\nHTTP/1.1 200 OK\r\n${INJECTED}: 1\r\n\r\n`,
  `\r\n ${INJECTED}: folded`,
  `\0${INJECTED}`,
  `\x85${INJECTED}: 1`,
  '\n\ndata: forged\n\n',
  'data: forged',
]

function anyBytes(random: Dice, most: number): Buffer {
  const bytes = Buffer.alloc(random(most + 1))
  for (let at = 0; at < bytes.length; at++) bytes[at] = random(256)
  return bytes
}

/** Latin-1, a character a byte. */
function anyValue(random: Dice): string {
  switch (random(8)) {
    case 0:
      return anyBytes(random, 40).toString('latin1')
    case 1:
      return anyBytes(random, 40)
        .toString('latin1')
        .replaceAll(/[\0\r\n]/g, 'x')
    case 2:
      return `${random(100)}${pick(random, INJECTIONS)}`
    case 3:
      return Buffer.from('é😀 ￿').toString('latin1').repeat(random(30))
    case 4:
      return pick(random, ['x', ',', ';q=', '*', ' ', '"', '\\', '(']).repeat(random(20_000))
    case 5:
      return ''
    default:
      return String(random(1_000))
  }
}

function anyList(random: Dice, members: readonly string[], most: number): string {
  const weight = (): string =>
    pick(random, ['', ';q=0', ';q=1', ';q=0.001', ';q=x', ';q=-1', ';q=1e9', '; q = 0.5', ';a="\\"', ';;'])
  const list = Array.from({ length: random(most) }, () => `${pick(random, members)}${weight()}`)
  return list.join(pick(random, [',', ', ', ' ,', ',,']))
}

const long = (random: Dice): number => (chance(random, 8) ? 400 : 6)

/** Of each field that the server looks at: what it may hold. */
const FIELDS: Readonly<Record<string, (random: Dice) => string>> = {
  'Last-Event-ID': anyValue,
  Accept: (random) =>
    anyList(
      random,
      ['text/event-stream', 'text/*', '*/*', '*', 'application/json', 'text/event-stream;charset=utf-8', '/'],
      long(random),
    ),
  'Accept-Encoding': (random) =>
    anyList(random, ['gzip', 'br', 'zstd', 'identity', '*', 'gzip gzip', '', 'x', '__proto__'], long(random)),
  Origin: (random) =>
    pick(random, [anyValue(random), 'null', 'http://a', `http://a${pick(random, INJECTIONS)}`]),
  Host: anyValue,
  Connection: (random) =>
    pick(random, [
      'close',
      'keep-alive',
      'Upgrade',
      'last-event-id, accept',
      'transfer-encoding',
      anyValue(random),
    ]),
  Upgrade: (random) => pick(random, ['websocket', 'h2c', anyValue(random)]),
  Expect: (random) => pick(random, ['100-continue', anyValue(random)]),
  TE: (random) => pick(random, ['trailers', anyValue(random)]),
  'Transfer-Encoding': (random) =>
    pick(random, ['chunked', 'identity', 'gzip, chunked', 'chunked, gzip', ' chunked', anyValue(random)]),
  'Content-Length': (random) =>
    pick(random, ['0', '5', '-1', '1e3', '99999999999999999999', anyValue(random)]),
  'Content-Type': (random) => pick(random, ['application/json', 'text/plain', anyValue(random)]),
  'Access-Control-Request-Method': (random) => pick(random, ['GET', anyValue(random)]),
  'Access-Control-Request-Headers': anyValue,
  traceparent: anyValue,
  'Cache-Control': anyValue,
  Cookie: anyValue,
  Range: (random) => pick(random, ['bytes=0-', anyValue(random)]),
  'If-None-Match': (random) => pick(random, ['*', anyValue(random)]),
  'x-no-compression': anyValue,
  'X-Forwarded-For': anyValue,
  __proto__x: anyValue,
}
const NAMES = Object.keys(FIELDS)

function anyField(random: Dice): string {
  if (chance(random, 12)) return anyBytes(random, 60).toString('latin1')
  if (chance(random, 12)) return `${anyValue(random)}${pick(random, [':', ' :', ': '])}${anyValue(random)}`
  const name = pick(random, NAMES)
  const value = (FIELDS[name] as (random: Dice) => string)(random)
  return `${pick(random, [name, name, name.toLowerCase(), name.toUpperCase()])}: ${value}`
}

function anyBody(random: Dice): string {
  switch (random(5)) {
    case 0:
      return '5\r\nhello\r\n0\r\n\r\n'
    case 1:
      return `${pick(random, ['fffffffff', '-1', 'x', '5;ext="\r\n"', '0x5', ' 5'])}\r\n${anyValue(random)}`
    case 2:
      return `5\r\nhello\r\n0\r\n${anyField(random)}\r\n\r\n`
    case 3:
      return anyBytes(random, 300).toString('latin1')
    default:
      return ''
  }
}

/** One request, and perhaps more behind it; a path is one of these, or any other. */
export function anyRequest(random: Dice, paths: readonly string[]): Buffer {
  const method = chance(random, 6)
    ? pick(random, ['HEAD', 'POST', 'OPTIONS', 'PUT', 'TRACE', 'CONNECT', 'get', 'PRI', 'G\tT', ''])
    : 'GET'
  const path = chance(random, 10)
    ? pick(random, ['*', '/%', '//', '/../', 'http://a/', `/${anyValue(random)}`, `/?${anyValue(random)}`])
    : `${pick(random, paths)}${chance(random, 4) ? `?${pick(random, INJECTIONS).replaceAll(' ', '+')}` : ''}`
  const version = chance(random, 12)
    ? pick(random, ['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.9', ''])
    : 'HTTP/1.1'
  const fields = chance(random, 10) ? [] : ['Host: localhost']
  for (let count = random(6); count > 0; count--) fields.push(anyField(random))
  // The same once more.
  if (chance(random, 4) && fields.length > 1) fields.push(fields.at(-1) as string)
  const lineEnd = chance(random, 20) ? '\n' : '\r\n'
  let text = [`${method} ${path} ${version}`, ...fields, '', ''].join(lineEnd)
  if (chance(random, 3)) text += anyBody(random)
  if (chance(random, 4))
    text += pick(random, [`GET ${pick(random, paths)} HTTP/1.1\r\nHost: b\r\n\r\n`, anyValue(random)])
  return Buffer.from(text, 'latin1')
}
