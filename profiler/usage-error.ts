/** What was asked for can't be done. */
export class UsageError extends Error {
  override name = 'UsageError'
  readonly code = 'HF_ERR_PROFILE_USAGE'
}
