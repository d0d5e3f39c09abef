/**
 * What a thread would get other than the server gave it. A message carries a copy (structured clone: HTML Living
 * Standard 2.7), which changes some values without a word: a Buffer arrives as a Uint8Array, a URL as `{}`. A prototype
 * that is lost so is given back on the thread; what cannot be given back is refused before the head.
 *
 * To find out, nothing is copied but objects of classes that are not known here: plain data costs a look at each value.
 */
import { types } from 'node:util'
import { HF_ERR_INPUT_NOT_CLONEABLE } from '../../errors.ts'
import type { Task } from '../../runtime/executor.ts'
import { classesOf, kindOf, Loss, property } from './loss.ts'

type Checked = Pick<Task, 'input' | 'context' | 'route'>

/** Of tasks that were checked, what {@link restore} is to be given. Most have none. */
const stripped = new WeakMap<Checked, readonly object[]>()

/**
 * Checks that a thread will get a task's input and context as they are.
 *
 * @throws HF_ERR_INPUT_NOT_CLONEABLE
 */
export function checkCloneable(task: Checked): void {
  const survey = new Survey()
  const loss = survey.of('input', task.input) ?? survey.of('context', task.context)
  if (loss !== undefined) {
    throw new HF_ERR_INPUT_NOT_CLONEABLE(task.route, loss.path, loss.what, { cause: loss.cause })
  }
  if (survey.stripped.length > 0) stripped.set(task, [...new Set(survey.stripped)])
}

/**
 * The objects within a task's input and context whose prototypes are lost on the way, to be sent beside them: within one
 * message an object stays one, wherever it stands. Undefined where there are none.
 */
export function strippedOf(task: Checked): readonly object[] | undefined {
  return stripped.get(task)
}

/** Gives back, on the thread, the prototypes that were lost on the way. */
export function restore(objects: readonly object[] = []): void {
  for (const object of objects) {
    Object.setPrototypeOf(object, ArrayBuffer.isView(object) ? Buffer.prototype : null)
  }
}

/** So many objects are looked at before any is remembered, which costs as much as the look itself. */
const UNREMEMBERED = 1_000
/** And only while they stand no deeper than this: a cycle has no end. */
const SHALLOW = 50
/** And none deeper than this, where a copy may run out of stack: V8's does from some 1,900 on. */
const DEEPEST = 1_000

/** One look through an input and a context. */
class Survey {
  /** Buffers, and objects without a prototype. What stands twice may be here twice. */
  readonly stripped: object[] = []
  #seen: Set<object> | undefined
  #objects = 0
  #depth = 0

  /** What a copy of this value would lose, if anything. */
  of(name: string, value: unknown): Loss | undefined {
    try {
      return this.#look(value)?.at(() => name)
    } catch (cause) {
      return new Loss('something that cannot be read', cause).at(() => name)
    }
  }

  #look(value: unknown): Loss | undefined {
    if (typeof value === 'function') return new Loss('a function')
    if (typeof value === 'symbol') return new Loss('a symbol')
    if (typeof value !== 'object' || value === null || this.#isKnown(value)) return undefined
    // It would answer what it likes, and no copy is made of any.
    if (types.isProxy(value)) return new Loss('a Proxy')
    if (this.#depth >= DEEPEST) return new Loss('nested too deep')
    this.#depth++
    const loss = this.#inspect(value)
    this.#depth--
    return loss
  }

  #isKnown(value: object): boolean {
    if (this.#seen === undefined) {
      if (++this.#objects < UNREMEMBERED && this.#depth < SHALLOW) return false
      this.#seen = new Set()
    }
    if (this.#seen.has(value)) return true
    this.#seen.add(value)
    return false
  }

  #inspect(value: object): Loss | undefined {
    const prototype = Object.getPrototypeOf(value) as object | null
    if (prototype === Object.prototype) return this.#plain(value)
    if (prototype === Array.prototype && Array.isArray(value)) return this.#array(value)
    if (prototype === null || isBare(prototype)) {
      this.stripped.push(value)
      return this.#plain(value)
    }
    if (prototype === Buffer.prototype && types.isUint8Array(value)) {
      this.stripped.push(value)
      return lossOfBytes(value)
    }
    // Those of another realm (node:vm, jest) have the same names, and on the thread they are the thread's.
    const classes = classesOf(value)
    if (classes === 'Object') return this.#plain(value)
    if (classes === 'Array<Object' && Array.isArray(value)) return this.#array(value)
    if (classes === 'Map<Object' && types.isMap(value)) return lossOfOwn(value) ?? this.#map(value)
    if (classes === 'Set<Object' && types.isSet(value)) return lossOfOwn(value) ?? this.#set(value)
    if (classes === 'Date<Object' && types.isDate(value)) return lossOfOwn(value)
    if (BYTES.test(classes) && (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value))) {
      return lossOfBytes(value)
    }
    if (types.isNativeError(value) && Object.hasOwn(value, 'cause')) {
      return this.#properties(value, ['cause']) ?? lossOfCopy(value)
    }
    return lossOfCopy(value)
  }

  #plain(value: object): Loss | undefined {
    const keys = Object.keys(value)
    if (Reflect.ownKeys(value).length > keys.length) return new Loss(`an object with ${HIDDEN}`)
    return this.#properties(value, keys)
  }

  #array(value: unknown[]): Loss | undefined {
    if (Object.getOwnPropertySymbols(value).length > 0) return new Loss('an array with symbols for keys')
    const { length } = value
    const keys = Object.keys(value)
    // Indices come first: so there is each of them, and nothing else.
    const isDense = keys.length === length && keys[length - 1] === String(length - 1)
    return isDense ? this.#each(value, (path, n) => `${path}[${n}]`) : this.#properties(value, keys)
  }

  #map(value: Map<unknown, unknown>): Loss | undefined {
    return (
      this.#each(value.keys(), (path, n) => `[...${path}.keys()][${n}]`) ??
      this.#each(value.values(), (path, n) => `[...${path}.values()][${n}]`)
    )
  }

  #set(value: Set<unknown>): Loss | undefined {
    return this.#each(value, (path, n) => `[...${path}][${n}]`)
  }

  #properties(value: object, keys: readonly string[]): Loss | undefined {
    let at = ''
    try {
      for (const key of keys) {
        at = key
        const loss = this.#look((value as Record<string, unknown>)[key])
        if (loss !== undefined) return loss.at((path) => path + property(key))
      }
      return undefined
    } catch (cause) {
      return new Loss('something that cannot be read', cause).at((path) => path + property(at))
    }
  }

  /** @param step the path of the n-th value within that of their owner */
  #each(values: Iterable<unknown>, step: (path: string, n: number) => string): Loss | undefined {
    let n = 0
    try {
      for (const value of values) {
        const loss = this.#look(value)
        if (loss !== undefined) return loss.at((path) => step(path, n))
        n++
      }
      return undefined
    } catch (cause) {
      return new Loss('something that cannot be read', cause).at((path) => step(path, n))
    }
  }
}

/** What a copy leaves out without a word. */
const HIDDEN = 'symbols for keys, or properties that are not enumerable'

/** Classes whose objects are bytes, of which all is copied or shared. */
const BYTES = /^(?:\w+Array<TypedArray|DataView|(?:Shared)?ArrayBuffer)<Object$/

/** Of objects without a prototype, as queries and parameters of routes are: some have an empty one, which is faster. */
function isBare(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Reflect.ownKeys(prototype).length === 0
}

/** Of a built-in that is copied whole, but for what somebody has put on it. */
function lossOfOwn(value: object): Loss | undefined {
  return Reflect.ownKeys(value).length === 0 ? undefined : new Loss(`${kindOf(value)} with ${OWN}`)
}

const OWN = 'properties of its own'

function lossOfBytes(value: ArrayBufferView | ArrayBufferLike): Loss | undefined {
  // The names of all its properties would be those of all its bytes, too.
  const isTyped = types.isTypedArray(value)
  if (isTyped ? Object.getOwnPropertySymbols(value).length > 0 : lossOfOwn(value) !== undefined) {
    return new Loss(`${kindOf(value)} with ${OWN}`)
  }
  return isDetached(ArrayBuffer.isView(value) ? value.buffer : value)
    ? new Loss(`${kindOf(value)} whose bytes were transferred elsewhere`)
    : undefined
}

function isDetached(buffer: ArrayBufferLike): boolean {
  // Its own property `detached` is too young.
  try {
    return new Uint8Array(buffer, 0, 0).length > 0
  } catch {
    return true
  }
}

/** Of an object of any other class: a platform's own, such as a KeyObject or a Blob, may be copied as what it is. */
function lossOfCopy(value: object): Loss | undefined {
  let copy: object
  try {
    copy = structuredClone(value)
  } catch (cause) {
    return new Loss(kindOf(value), cause)
  }
  // Node gives some a class of the same name below their own.
  if (!`<${classesOf(copy)}`.endsWith(`<${classesOf(value)}`)) return new Loss(kindOf(value))
  if (Reflect.ownKeys(value).some((key) => !Object.hasOwn(copy, key))) {
    return new Loss(`${kindOf(value)} with ${OWN}`)
  }
  if (types.isRegExp(value) && value.lastIndex !== 0) return new Loss('a RegExp whose lastIndex is not 0')
  return undefined
}
