/**
 * Finds values that would change on their way to a thread or a process. A message is a copy (structured clone: HTML Living
 * Standard, 2.7), and the copy of some values differs without an error: a Buffer arrives as a Uint8Array, a URL as
 * `{}`. A prototype that is lost in this way is restored on the thread. Any other loss is an error before the head.
 *
 * Only objects of classes that this module does not list are copied for the check. Plain data is walked, not copied.
 */
import { types } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import { HF_ERR_INPUT_NOT_CLONEABLE } from '../../errors.ts'
import type { Task } from '../../runtime/executor.ts'
import { classesOf, kindOf, Loss, property } from './loss.ts'

type Checked = Pick<Task, 'input' | 'context' | 'route'>

/** For each checked task, the objects for {@link restore}. Most tasks have none. */
const stripped = new WeakMap<Checked, readonly object[]>()

/**
 * Checks that a task's input and context arrive on a thread, or in a process, as they are.
 *
 * @param sharedMemory false if they go to another process. Default: true
 * @throws HF_ERR_INPUT_NOT_CLONEABLE if a value would change
 */
export function checkCloneable(task: Checked, sharedMemory: boolean = true): void {
  const survey = new Survey(sharedMemory)
  const loss = survey.of('input', task.input) ?? survey.of('context', task.context)
  if (loss !== undefined) {
    throw new HF_ERR_INPUT_NOT_CLONEABLE(task.route, loss.path, loss.what, { cause: loss.cause })
  }
  if (survey.stripped.length > 0) stripped.set(task, [...new Set(survey.stripped)])
}

/**
 * The objects within a task's input and context whose prototypes are lost on the way; undefined if there are none. They
 * are sent in the same message: within one message, all references to an object stay references to one object.
 */
export function strippedOf(task: Checked): readonly object[] | undefined {
  return stripped.get(task)
}

/** Restores, on the thread, the prototypes that were lost on the way. */
export function restore(objects: readonly object[] = []): void {
  for (const object of objects) {
    Object.setPrototypeOf(object, ArrayBuffer.isView(object) ? Buffer.prototype : null)
  }
}

/** The first so many objects are checked without storing them in a set, which costs as much as the check itself. */
const UNREMEMBERED = 1_000
/** If an object is at this depth, all objects are stored from there on: otherwise a cycle would never end. */
const SHALLOW = 50
/** Deepest level that is accepted. V8's copy runs out of stack from some 1,900 levels on. */
const DEEPEST = 1_000

/** One walk through an input and a context. */
class Survey {
  /** Buffers, and objects without a prototype. An object with two references may be here twice. */
  readonly stripped: object[] = []
  readonly #sharedMemory: boolean
  #seen: Set<object> | undefined
  #objects = 0
  #depth = 0

  constructor(sharedMemory: boolean) {
    this.#sharedMemory = sharedMemory
  }

  /** What a copy of this value would lose; undefined if nothing. */
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
    // Its traps may return anything, and structured clone copies no Proxy.
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
      return this.#bytes(value)
    }
    // Objects of another realm (node:vm, jest) have classes of the same names. On the thread they get the thread's
    // classes.
    const classes = classesOf(value)
    if (classes === 'Object') return this.#plain(value)
    if (classes === 'Array<Object' && Array.isArray(value)) return this.#array(value)
    if (classes === 'Map<Object' && types.isMap(value)) return lossOfOwn(value) ?? this.#map(value)
    if (classes === 'Set<Object' && types.isSet(value)) return lossOfOwn(value) ?? this.#set(value)
    if (classes === 'Date<Object' && types.isDate(value)) return lossOfOwn(value)
    if (BYTES.test(classes) && (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value))) {
      return this.#bytes(value)
    }
    if (types.isNativeError(value) && Object.hasOwn(value, 'cause')) {
      return this.#properties(value, ['cause']) ?? lossOfCopy(value, this.#sharedMemory)
    }
    return lossOfCopy(value, this.#sharedMemory)
  }

  #bytes(value: ArrayBufferView | ArrayBufferLike): Loss | undefined {
    const memory = ArrayBuffer.isView(value) ? value.buffer : value
    if (!this.#sharedMemory && types.isSharedArrayBuffer(memory)) {
      return new Loss(`${kindOf(value)} in shared memory`)
    }
    return lossOfBytes(value)
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
    // Indices are the first keys. So every index has a value, and there are no other keys.
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

  /** @param step returns the path of the n-th value, from the path of its owner */
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

/** What a copy omits without an error. */
const HIDDEN = 'symbols for keys, or properties that are not enumerable'

/** Classes whose objects are bytes: they are copied or shared completely. */
const BYTES = /^(?:\w+Array<TypedArray|DataView|(?:Shared)?ArrayBuffer)<Object$/

/**
 * True for an empty prototype. `request.query` and `request.params` may have one instead of null, because it is faster.
 */
function isBare(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Reflect.ownKeys(prototype).length === 0
}

/** What the copy of a built-in loses: only properties that were added to it. */
function lossOfOwn(value: object): Loss | undefined {
  return Reflect.ownKeys(value).length === 0 ? undefined : new Loss(`${kindOf(value)} with ${OWN}`)
}

const OWN = 'properties of its own'

function lossOfBytes(value: ArrayBufferView | ArrayBufferLike): Loss | undefined {
  // The own keys of a typed array include the index of each byte.
  const isTyped = types.isTypedArray(value)
  if (isTyped ? Object.getOwnPropertySymbols(value).length > 0 : lossOfOwn(value) !== undefined) {
    return new Loss(`${kindOf(value)} with ${OWN}`)
  }
  return isDetached(ArrayBuffer.isView(value) ? value.buffer : value)
    ? new Loss(`${kindOf(value)} whose bytes were transferred elsewhere`)
    : undefined
}

function isDetached(buffer: ArrayBufferLike): boolean {
  // `ArrayBuffer.prototype.detached` does not exist in Node 20.
  try {
    return new Uint8Array(buffer, 0, 0).length > 0
  } catch {
    return true
  }
}

/**
 * What the copy of any other object loses. Node copies some of its own classes, such as KeyObject and Blob, to a thread
 * as they are. On the channel of a child process they become `{}`, without an error.
 */
function lossOfCopy(value: object, sharedMemory: boolean): Loss | undefined {
  let copy: object
  try {
    copy = sharedMemory ? structuredClone(value) : (deserialize(serialize(value)) as object)
  } catch (cause) {
    return new Loss(kindOf(value), cause)
  }
  // The copy of some Node objects has one more class, with the same name, below the original's.
  if (!`<${classesOf(copy)}`.endsWith(`<${classesOf(value)}`)) return new Loss(kindOf(value))
  if (Reflect.ownKeys(value).some((key) => !Object.hasOwn(copy, key))) {
    return new Loss(`${kindOf(value)} with ${OWN}`)
  }
  if (types.isRegExp(value) && value.lastIndex !== 0) return new Loss('a RegExp whose lastIndex is not 0')
  return undefined
}
