/** An option or an argument that is refused: the message has what was expected and what came. */
export class UsageError extends Error {
  override name = 'UsageError'
  /** The same for each of them. */
  readonly code = 'HF_ERR_PROFILE_USAGE'
}
