export interface WithResolvers<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void
}

/** A promise that the test settles: `Promise.withResolvers()`, which Node has from 22 on. */
export function withResolvers<T = void>(): WithResolvers<T> {
  let settle: Pick<WithResolvers<T>, 'resolve' | 'reject'> | undefined
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }))
  return { promise, ...(settle as Pick<WithResolvers<T>, 'resolve' | 'reject'>) }
}
