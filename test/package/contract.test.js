// The contract suite as its users run it: from the built package, under node:test.
import { test } from 'node:test'
import { deferred, inline, microtask, workers } from 'headfirst'
import { executorContract } from 'headfirst/testing'

executorContract('inline', () => inline(), test)
executorContract('microtask', () => microtask(), test)
executorContract('deferred', () => deferred(), test)
executorContract('workers', () => workers(), test)
