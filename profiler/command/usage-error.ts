/** What the user has asked for can't be done. */
export class UsageError extends Error {
  override name = 'UsageError'
}
