/** The options of the server's own view. */
import { UsageError } from '../usage-error.ts'
import type { Given } from './given.ts'
import { httpUrl } from './request.ts'
import type { ResolvedProfile } from './resolved-profile.ts'

/** @throws UsageError */
export function serverOptions(given: Given): ResolvedProfile['server'] {
  return given.take(
    'serverProfile',
    (option, address) => {
      const token = given.take('token', (_, value) => value, process.env['HEADFIRST_TOKEN'])
      if (typeof token !== 'string' || token === '') {
        throw new UsageError(
          `${option}: expected also ${given.nameOf('token')}, or HEADFIRST_TOKEN in the environment: what the server was given as profile: { token }`,
        )
      }
      return { url: httpUrl(option, address), token, option }
    },
    undefined,
  )
}
