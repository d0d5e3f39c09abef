export {
  executorContract,
  type ExecutorContractOptions,
  type TestFunction,
} from './contract/executor-contract.ts'
export {
  openStream,
  type ListeningApp,
  type OpenedStream,
  type OpenStreamOptions,
  type ReceivedEvent,
} from './open-stream.ts'
