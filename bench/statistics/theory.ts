/**
 * What a queue with one server must show, by arithmetic alone.
 *
 * With `inline` and `microtask` a stream's request is parsed, answered and produced in one piece, and pieces
 * follow one another in order of arrival. (Node accepts and reads in batches, once per turn of its loop, but
 * that changes neither the order nor that the thread is never idle while a client waits.) So the server is a
 * single queue with a fixed service time, and the measured first bytes must agree with it: if they do not, the
 * bench or the machine is at fault. In overload the tail tests that no client's wait was left out (the last one
 * waits for all of the work), and the median that the work was spread as it should be.
 */

/**
 * Lindley's recursion over a schedule: each client waits for what is left of the work before it,
 * W' = max(0, W + S − A), with service time S and the gap A to the client before.
 *
 * @param serviceMs of every client, or of each
 * @returns ms that each client waits until it is served
 */
export function lindleyWaits(schedule: Float64Array, serviceMs: number | Float64Array): Float64Array {
  const waits = new Float64Array(schedule.length)
  for (let index = 1; index < schedule.length; index++) {
    const gap = (schedule[index] as number) - (schedule[index - 1] as number)
    const before = typeof serviceMs === 'number' ? serviceMs : (serviceMs[index - 1] as number)
    waits[index] = Math.max(0, (waits[index - 1] as number) + before - gap)
  }
  return waits
}
