import { test } from 'node:test'
import { executorContract } from 'headfirst/testing'
import { atMost } from './at-most.js'

executorContract('atMost', () => atMost({ running: 10, waiting: 100 }), test)
