// The executors of docs/writing-an-executor.md under the contract suite, as its readers run it.
await import('../../examples/own-executor/at-most.test.js')
await import('../../examples/own-executor/in-a-process.test.js')
