/** All options, checked: each group has a file of its own. */
import { Given, type GivenOptions, type NameOf } from './given.ts'
import { judgementOptions } from './judgement.ts'
import { checkOneLoop, endOptions, loadOptions, processOptions } from './load.ts'
import { requestOptions } from './request.ts'
import type { ResolvedProfile } from './resolved-profile.ts'
import { serverOptions } from './server.ts'

/**
 * @param nameOf the name of an option in a message. Default: its own
 * @throws UsageError
 */
export function resolveProfile(
  url: unknown,
  options: GivenOptions,
  nameOf: NameOf = (option) => option,
): ResolvedProfile {
  const given = new Given(options, nameOf)
  checkOneLoop(given)
  return {
    ...requestOptions(url, given),
    end: endOptions(given),
    load: loadOptions(given),
    ...processOptions(given),
    ...judgementOptions(given),
    server: serverOptions(given),
  }
}
