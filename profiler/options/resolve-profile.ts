/** What a profile is asked for, checked: one file for each group of options, put together here. */
import { Given, type GivenOptions, type NameOf } from './given.ts'
import { judgementOptions } from './judgement.ts'
import { checkOneLoop, endOptions, loadOptions, processOptions } from './load.ts'
import { requestOptions } from './request.ts'
import type { ResolvedProfile } from './resolved-profile.ts'
import { serverOptions } from './server.ts'

/**
 * @param nameOf how an option is called in a message. Default: its name
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
