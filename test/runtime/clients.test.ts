import { expect, test } from 'vitest'
import { clientOfAddress } from '../../src/runtime/clients.ts'

test.each([
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7:50001', '203.0.113.7'],
  ['2001:db8::1', '2001:db8::'],
  ['[2001:db8::1]', '2001:db8::'],
  ['[2001:db8::2]:50001', '2001:db8::'],
  ['2001:db8:0:0:1:2:3:4', '2001:db8::'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['[::ffff:203.0.113.7]:50001', '203.0.113.7'],
  // No addresses: as they stand.
  ['unknown', 'unknown'],
  ['unknown:50001', 'unknown:50001'],
  ['[unknown]:1', '[unknown]:1'],
  ['_hidden', '_hidden'],
  ['', ''],
])('the client of %j is %j', (written, client) => {
  expect(clientOfAddress(written)).toBe(client)
})
