// What piscina loads on each thread: it imports entry.ts.
//
// Piscina tries require() first, which for an ES module is done in one go; and Node (20.20 and 22.23 do) aborts the
// whole process when a thread is terminated at certain places of that, as by a server that closes while its threads
// start. An import() is given up without harm.
'use strict'

const { workerData } = require('node:worker_threads')

/**
 * Piscina waits for what a module exports: a thread is ready when entry.ts has loaded.
 *
 * @type {Promise<(order: unknown) => Promise<unknown>>}
 */
module.exports = import(workerData.entry).then((entry) => entry.default)
