/**
 * Runs at most `running` producers at a time on the server's thread. Up to `waiting` more streams wait in a queue, after
 * their head has left. Above that, a client is refused before its head.
 */
export function atMost({ running, waiting }) {
  const queue = new Set()
  let busy = 0

  const next = async () => {
    const [task] = queue
    if (task === undefined || busy === running) return
    queue.delete(task)
    busy++
    await task.produce()
    busy--
    void next()
  }

  return {
    admit(task, load) {
      if (load.running + load.waiting < running + waiting) return
      throw Object.assign(new Error(`${task.route} is busy`), { statusCode: 503, code: 'BUSY' })
    },
    run(task) {
      queue.add(task)
      return next()
    },
    cancel(task) {
      queue.delete(task)
    },
  }
}
