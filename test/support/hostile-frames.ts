/** JSON in the place of an error, or of a line for the log, that no encoder has made. */

const deep = (depth: number): string =>
  `${'{"error":{"name":"E","message":"m","fields":{},"cause":'.repeat(depth)}{"value":1}${'}}'.repeat(depth)}`

export const HOSTILE_ERRORS: readonly string[] = [
  '',
  'null',
  '1',
  '[]',
  '{}',
  '{"error":null}',
  '{"error":[]}',
  '{"error":{}}',
  '{"error":{"name":{},"message":"m","fields":{}}}',
  '{"error":{"name":"E","message":{"toString":1},"fields":{}}}',
  '{"error":{"name":"E","message":"m","stack":[],"fields":{}}}',
  '{"error":{"name":"E","message":"m"}}',
  '{"error":{"name":"E","message":"m","fields":{"toString":{}}}}',
  '{"error":{"name":"E","message":"m","fields":{"__proto__":{"polluted":true}}}}',
  '{"error":{"name":"E","message":"m","fields":{"constructor":{"prototype":{"polluted":true}}}}}',
  '{"error":{"name":"E","message":"m","fields":{},"cause":null}}',
  deep(5),
  deep(2_000),
  '{"error":',
]

export const HOSTILE_LINES: readonly string[] = [
  '',
  'null',
  '7',
  '[]',
  '{}',
  '{"level":"info"}',
  '{"level":"info","fields":null}',
  '{"level":"info","fields":[]}',
  '{"level":"info","fields":"text"}',
  '{"level":"info","fields":{},"message":{}}',
  '{"level":"info","fields":{},"message":null}',
  '{"level":"child","fields":{}}',
  '{"level":"setBindings","fields":{"polluted":true}}',
  '{"level":"constructor","fields":{}}',
  '{"level":"__proto__","fields":{}}',
  '{"level":"flush","fields":{}}',
  '{"level":["info"],"fields":{}}',
  '{"level":"info","fields":{"err":{}}}',
  '{"level":"info","fields":{"err":"{}"}}',
  `{"level":"info","fields":{"err":${JSON.stringify(deep(9))}}}`,
  '{"level":"info","fields":',
]
