/** `headfirst/testing`: the contract suite for executors, and streams of an app as its clients see them. */
export {
  executorContract,
  type ExecutorContractOptions,
  type TestFunction,
} from './contract/executor-contract.ts'
export { openStream, type OpenStreamOptions } from './open-stream.ts'
export type { OpenedStream, ReceivedEvent } from './opened-stream.ts'
export type { ListeningApp } from './target.ts'
