// Piscina loads this file on each thread. It imports entry.ts.
//
// Piscina tries require() first, which loads an ES module synchronously. If a thread is terminated at certain points of
// that, as when a server closes while its threads start, Node (20.20 and 22.23) aborts the whole process. An import()
// is cancelled without harm.
'use strict'

const { workerData } = require('node:worker_threads')

/**
 * Piscina awaits what a module exports: a thread is ready when entry.ts has loaded.
 *
 * @type {Promise<(order: unknown) => Promise<unknown>>}
 */
module.exports = import(workerData.entry).then((entry) => entry.default)
