/** Options as they were given, each under the name that its giver has for it. */
import { UsageError } from '../usage-error.ts'
import { OPTIONS, type ProfileOptions } from './profile-options.ts'

/** The name of an option where it was given: `--find-capacity` on the command line, `findCapacity` in a program. */
export type NameOf = (option: keyof ProfileOptions) => string

/** Values as a program gives them, or texts as the command line does: both are checked alike. */
export type GivenOptions = { readonly [Option in keyof ProfileOptions]?: unknown }

/**
 * Checks a value.
 *
 * @param name of the option, for the message
 * @throws UsageError
 */
export type Check<Value> = (name: string, value: unknown) => Value

export class Given {
  readonly #options: GivenOptions
  readonly nameOf: NameOf

  /** @throws UsageError for an option that does not exist */
  constructor(options: GivenOptions, nameOf: NameOf) {
    for (const option in options) {
      if (Object.hasOwn(OPTIONS, option)) continue
      throw new UsageError(`There is no option "${option}". There are: ${Object.keys(OPTIONS).join(', ')}`)
    }
    this.#options = options
    this.nameOf = nameOf
  }

  has(option: keyof ProfileOptions): boolean {
    return this.#options[option] !== undefined
  }

  /**
   * An option that was given, checked; else its default.
   *
   * @throws UsageError
   */
  take<Value, Default>(
    option: keyof ProfileOptions,
    check: Check<Value>,
    otherwise: Default,
  ): Value | Default {
    return this.has(option) ? check(this.nameOf(option), this.#options[option]) : otherwise
  }
}
