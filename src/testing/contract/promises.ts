/** How a chapter of the contract declares its promises: each becomes a test, with a server of its own. */
import type { ContractServer } from './server.ts'

/** Proves a promise, or rejects. */
type Proof = (server: ContractServer) => Promise<void>

export interface Promises {
  /** One that is tested with what any executor can carry. */
  any(promise: string, proof: Proof): void
  /** One that is tested with flags in shared memory. */
  shared(promise: string, proof: Proof): void
}

export type Chapter = (promises: Promises) => void
