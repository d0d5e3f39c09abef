/** Timers that keep the process alive. */
export const livingTimers = (): number =>
  process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length
