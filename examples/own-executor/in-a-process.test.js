import { test } from 'node:test'
import { executorContract } from 'headfirst/testing'
import { inAProcess } from './in-a-process.js'

executorContract('inAProcess', inAProcess, test, { sharedMemory: false })
