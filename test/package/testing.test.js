// The example of docs/testing.md, as its readers run it: from the built package, under node:test.
await import('../../examples/testing/app.test.js')
