/** Milliseconds on the host's monotonic clock: comparable between processes, to well under a microsecond. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
