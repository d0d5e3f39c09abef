export { default } from './plugin.ts'
export type { Headfirst, HeadfirstOptions, InputArguments, SseRouteOptions } from './fastify/declarations.ts'
export { deferred, type DeferredOptions } from './executors/deferred.ts'
export { inline } from './executors/inline.ts'
export { microtask } from './executors/microtask.ts'
export type { WorkersOptions } from './executors/workers/options.ts'
export { workers } from './executors/workers/pool.ts'
export {
  History,
  type BehindInfo,
  type FollowOptions,
  type HistoryEvent,
  type HistoryOptions,
  type HistoryStats,
} from './runtime/history.ts'
export {
  portability,
  producer,
  type Portability,
  type PortableOptions,
  type PortableProducer,
} from './runtime/producer.ts'
export type { Pause, Produced, Producer } from './runtime/producer.ts'
export type { StreamTimeoutError, TimeLimit } from './runtime/deadlines.ts'
export type { CloseInfo, Timings } from './runtime/close-info.ts'
export type { Overflow, RetryRange, RouteOptions, Timeouts } from './runtime/options.ts'
export type { ExecutorName, Executors } from './runtime/executor-name.ts'
export type {
  AnyTask,
  ElsewhereTask,
  Executor,
  ExecutorDetails,
  ExecutorLoad,
  ExecutorStats,
  HereTask,
  Task,
  TaskSink,
  ThreadMoments,
  ThreadTime,
} from './runtime/executor.ts'
export type { BlockedLoop } from './runtime/loop-watch.ts'
export type { ProfileAnswer, ProfileOptions } from './runtime/server-profile.ts'
export type { QueueWaits } from './runtime/waits.ts'
export type { RouteStats } from './runtime/route.ts'
export type { Stats } from './runtime/scope.ts'
export type { EventFields, EventInput, Serializer } from './sse/event.ts'
export { SharedEvent } from './sse/shared-event.ts'
export type { FlushMode } from './sse/response-sink.ts'
export type {
  CloseReason,
  EventStream,
  LogLevel,
  StreamClosedError,
  StreamContext,
  StreamLog,
} from './sse/stream.ts'
