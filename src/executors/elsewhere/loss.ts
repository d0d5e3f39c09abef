import { show } from '../../sse/event.ts'

/** Makes the path of an inner value from the path of its owner. */
type Step = (path: string) => string

/** A path of more steps than this is shortened in the middle. */
const MOST_STEPS = 12

/** A value that a copy would not keep: what it is, and its path. A client may see both, so they contain no value. */
export class Loss {
  readonly what: string
  readonly cause: unknown
  /** From the value to the root. */
  readonly #steps: Step[] = []

  constructor(what: string, cause?: unknown) {
    this.what = what
    this.cause = cause
  }

  /** Adds the step that leads to it from its owner. */
  at(step: Step): this {
    this.#steps.push(step)
    return this
  }

  /** The path as JavaScript, such as `input.user.avatar`. */
  get path(): string {
    const steps = this.#steps.toReversed()
    if (steps.length > MOST_STEPS) {
      steps.splice(MOST_STEPS / 2, steps.length - MOST_STEPS, (path) => `${path} … `)
    }
    return steps.reduce((path, step) => step(path), '')
  }
}

/** The step to a property. Its name may come from a client, so it is quoted and shortened. */
export function property(key: string): string {
  if (/^[A-Za-z_$][\w$]{0,39}$/.test(key)) return `.${key}`
  return /^(?:0|[1-9]\d{0,9})$/.test(key) ? `[${key}]` : `[${show(key)}]`
}

/** The names of an object's classes, from its own to the base: `TypeError<Error<Object`. */
export function classesOf(value: object): string {
  const names: string[] = []
  for (let above = prototypeOf(value); above !== null; above = prototypeOf(above)) {
    const constructor: unknown = Object.getOwnPropertyDescriptor(above, 'constructor')?.value
    names.push(typeof constructor === 'function' ? constructor.name : '')
  }
  return names.join('<')
}

const prototypeOf = (value: object): object | null => Object.getPrototypeOf(value) as object | null

/** Describes an object for a message. */
export function kindOf(value: object): string {
  const name = classesOf(value).replace(/<.*/s, '')
  return name === '' ? 'an object that inherits from another' : `an object (${name.slice(0, 40)})`
}
