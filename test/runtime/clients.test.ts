import { describe, expect, test } from 'vitest'
import { clientOfAddress } from '../../src/runtime/clients.ts'

/** One client in each row, as a socket or a header may write it. */
const CLIENTS: readonly (readonly [client: string, ...written: string[]])[] = [
  [
    '203.0.113.7',
    '203.0.113.7:50001',
    '203.0.113.7:1',
    '"203.0.113.7:50001"',
    '"203.0.113.7"',
    '[203.0.113.7]:443',
    '::ffff:203.0.113.7',
    '::FFFF:cb00:7107',
    '0:0:0:0:0:ffff:203.0.113.7',
    '::ffff:203.0.113.7%eth0',
    '::ffff:203.0.113.7:50001',
    '[::ffff:203.0.113.7]',
    '[::ffff:203.0.113.7]:50001',
    '"[::ffff:203.0.113.7]:50001"',
    '64:ff9b::203.0.113.7',
    '[64:ff9b::cb00:7107]:50001',
  ],
  ['203.0.113.8', '64:ff9b::203.0.113.8', '203.0.113.8:50001'],
  [
    '2001:db8::',
    '2001:db8::1',
    '2001:DB8::ffff:1',
    '[2001:db8::1]',
    '[2001:db8::1]:50001',
    '"[2001:db8::1]"',
    '"[2001:db8::2]:443"',
    // Without brackets what stands behind may be a port, or belong to the address: the network is the same.
    '2001:db8::1:50001',
    '2001:db8::1:443',
    '2001:db8:0:0:1:2:3:4:50001',
    '2001:db8:0:0:1:2:3:4:443',
    '[2001:db8::1%eth0]:50001',
  ],
  ['2001:db8:0:1::', '2001:db8:0:1::1', '[2001:db8:0:1::1]:50001'],
  ['fe80::', 'fe80::1', 'fe80::1%eth0', '[fe80::1%25eth0]:50001', 'fe80::1%eth1'],
  ['::', '::1', '[::1]:50001'],
  ['127.0.0.1', '::ffff:127.0.0.1', '127.0.0.1:50001'],
]

describe.each(CLIENTS)('%s', (client, ...written) => {
  test.each([client, ...written])('is %s', (address) => {
    expect(clientOfAddress(address)).toBe(client)
  })
})

test.each([
  '',
  'unknown',
  '_hidden',
  'unknown:50001',
  '[unknown]:50001',
  ':50001',
  '[]:50001',
  '[2001:db8::1',
  '2001:db8::1]:50001',
  '[[2001:db8::1]]:50001',
  '203.0.113.7:port',
  '203.0.113.7:',
  '203.0.113.256:50001',
  '203.0.113.7:50001 x',
  '"',
  '"""',
  '__proto__',
])('what holds no address counts as it stands: %j', (text) => {
  expect(clientOfAddress(text)).toBe(text)
})

test('the longest header is read once', () => {
  for (const part of [':1', '1', '"', '[', ']:', '%', '[:1', ' ']) {
    const text = `[${part.repeat(16_384 / part.length)}`
    expect(clientOfAddress(text)).toBe(text)
  }
})
