// The executor of docs/writing-an-executor.md under the contract suite, as its readers run it.
await import('../../examples/own-executor/at-most.test.js')
