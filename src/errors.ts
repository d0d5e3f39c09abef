/**
 * All error codes, in one table. A code is never reused. `docs/errors.md` lists exactly these.
 *
 * A message has what was expected, what came, and what to do. Its placeholders are filled in order. The message of an
 * error that may be replied to a client has no path and does not quote the cause: both are properties, for the log.
 */
import createError, { type FastifyErrorConstructor } from '@fastify/error'

type Coded = FastifyErrorConstructor<{ code: string; statusCode?: number }, unknown[]>

const define = (code: string, message: string, statusCode = 500, base: ErrorConstructor = Error): Coded =>
  createError(code, message, statusCode, base)

// While the server is set up

export const HF_ERR_OPTION_UNKNOWN: Coded = define(
  'HF_ERR_OPTION_UNKNOWN',
  'Unknown option "%s" in %s. Use one of these, or leave it out: %s.',
  500,
  TypeError,
)
export const HF_ERR_OPTION_INVALID: Coded = define(
  'HF_ERR_OPTION_INVALID',
  'Option "%s" in %s must be %s, but got %s. Give it such a value.',
  500,
  TypeError,
)
export const HF_ERR_EXECUTOR_UNKNOWN: Coded = define(
  'HF_ERR_EXECUTOR_UNKNOWN',
  'Unknown executor "%s" in %s. Known executors are: %s. Add yours to the plugin option "executors", or use one of these.',
)
export const HF_ERR_EXECUTOR_INVALID: Coded = define(
  'HF_ERR_EXECUTOR_INVALID',
  'Executor "%s" must be an object with a method run(task), but got %s. See docs/writing-an-executor.md.',
  500,
  TypeError,
)
export const HF_ERR_EXECUTOR_TAKEN: Coded = define(
  'HF_ERR_EXECUTOR_TAKEN',
  'Executor "%s" belongs to another registration of headfirst already. Make an instance of its own for each: call its factory again.',
)
export const HF_ERR_ALREADY_REGISTERED: Coded = define(
  'HF_ERR_ALREADY_REGISTERED',
  'headfirst is registered in this scope already. Register it once, or once more in a child scope (inside another plugin) with options of its own.',
)
export const HF_ERR_REPLY_SSE_TAKEN: Coded = define(
  'HF_ERR_REPLY_SSE_TAKEN',
  'Another plugin (%s) uses reply.sse and the route option "sse" in this scope. Register each of the two in a scope of its own: app.register(async (scope) => { await scope.register(headfirst); scope.get(...) }).',
)
export const HF_ERR_ROUTE_WITHOUT_SSE: Coded = define(
  'HF_ERR_ROUTE_WITHOUT_SSE',
  'reply.sse() was called in route %s, which headfirst does not know. Give the route the option { sse: true }; if it has it, the route was declared before headfirst had loaded: write "await app.register(headfirst)" above it.',
)

// Before the head

export const HF_ERR_REPLY_ALREADY_SENT: Coded = define(
  'HF_ERR_REPLY_ALREADY_SENT',
  'reply.sse() was called in route %s after the reply had been sent. Call it once, instead of reply.send(), and return what it returns.',
)
export const HF_ERR_SSE_TWICE: Coded = define(
  'HF_ERR_SSE_TWICE',
  'reply.sse() was called twice for one request of route %s. Call it once, and return what it returns: a reply carries one event stream.',
)
export const HF_ERR_PRODUCER_INVALID: Coded = define(
  'HF_ERR_PRODUCER_INVALID',
  'A producer must be a function (stream, input) => …, but %s got %s. Pass such a function, or what producer() returned.',
  500,
  TypeError,
)
export const HF_ERR_PRODUCER_NOT_PORTABLE: Coded = define(
  'HF_ERR_PRODUCER_NOT_PORTABLE',
  'Route %s runs on executor "%s", whose threads cannot be given a closure. Export the producer from a module of its own, as producer(import.meta.url, fn), or choose an executor of the server\'s thread (inline, microtask, deferred).',
)
export const HF_ERR_PRODUCER_NOT_EXPORTED: Coded = define(
  'HF_ERR_PRODUCER_NOT_EXPORTED',
  'No exported producer %s was found in %s. Export it from that module (its producers are: %s); if a bundler renames exports, give it a name: producer(import.meta.url, fn, { name }).',
)
export const HF_ERR_PRODUCER_AMBIGUOUS: Coded = define(
  'HF_ERR_PRODUCER_AMBIGUOUS',
  'Module %s exports several producers (%s), so a producer without a name cannot be told from the others. Give each its name: producer(import.meta.url, fn, { name: "report" }).',
)
export const HF_ERR_PRODUCER_IN_ENTRY: Coded = define(
  'HF_ERR_PRODUCER_IN_ENTRY',
  'The producer stands in the entry module of this process (%s): a thread that loads it would start a second server. Move it to a module of its own; with a bundler, to a chunk of its own.',
)
export const HF_ERR_SERVER_ON_THREAD: Coded = define(
  'HF_ERR_SERVER_ON_THREAD',
  'The module of a producer, or one that it imports, starts a server: a thread that loads it would start a second one. Move the producer to a module of its own, which does not import the server; with a bundler, to a chunk of its own.',
)
export const HF_ERR_PRODUCER_MODULE: Coded = define(
  'HF_ERR_PRODUCER_MODULE',
  "The producer's module %s did not load %s. The server's log has the cause. Make it an ES module that loads on any thread, without a server around it.",
)
export const HF_ERR_INPUT_NOT_CLONEABLE: Coded = define(
  'HF_ERR_INPUT_NOT_CLONEABLE',
  "Route %s cannot hand its producer's input and context to a thread as they are: %s is %s. Pass plain data in its place (text, numbers, bytes, plain objects, arrays, Date, Map, Set), or choose an executor of the server's thread (inline, microtask, deferred).",
  500,
  TypeError,
)
export const HF_ERR_PAYLOAD_WRAPPED: Coded = define(
  'HF_ERR_PAYLOAD_WRAPPED',
  'An onSend hook of route %s has wrapped the event stream in another stream, which would hold events back. Exclude text/event-stream in that hook; if it is that of @fastify/compress (with inflateIfDeflated), give the route the option { compress: false }.',
)
export const HF_ERR_NOT_ACCEPTABLE: Coded = define(
  'HF_ERR_NOT_ACCEPTABLE',
  'Route %s offers text/event-stream, which the request does not accept: its Accept header is %s. Send "Accept: text/event-stream", or no such header.',
  406,
)
export const HF_ERR_CLIENT_LIMIT: Coded = define(
  'HF_ERR_CLIENT_LIMIT',
  'A client may have %s event streams open at a time, and this one has as many. Close one of them, or try again later.',
  429,
)
export const HF_ERR_EXECUTOR_FULL: Coded = define(
  'HF_ERR_EXECUTOR_FULL',
  'Executor "%s" is full: %s streams run, %s wait. Try again later.',
  503,
)
export const HF_ERR_EXECUTOR_UNAVAILABLE: Coded = define(
  'HF_ERR_EXECUTOR_UNAVAILABLE',
  'Executor "%s" takes no stream now: %s. Try again later.',
  503,
)

// After the head

export const HF_ERR_EVENT_INVALID: Coded = define(
  'HF_ERR_EVENT_INVALID',
  'Not an event: %s. Send a string, or an object with some of data, event, id and retry.',
  500,
  TypeError,
)
export const HF_ERR_EVENT_FIELD: Coded = define(
  'HF_ERR_EVENT_FIELD',
  'Field "%s" of an event must be %s, but got %s. Send such a value, or leave the field out.',
  500,
  TypeError,
)
export const HF_ERR_EVENT_DATA: Coded = define(
  'HF_ERR_EVENT_DATA',
  'Field "data" of an event could not be serialized: %s. Send a string, or a value that the serializer (by default JSON.stringify) turns into one.',
  500,
  TypeError,
)
export const HF_ERR_EVENT_TOO_LARGE: Coded = define(
  'HF_ERR_EVENT_TOO_LARGE',
  'An event of %s bytes does not fit into a History whose maxBytes is %s. Give it a larger maxBytes, or push less data at once.',
  500,
  RangeError,
)
export const HF_ERR_STREAM_LEFT_OPEN: Coded = define(
  'HF_ERR_STREAM_LEFT_OPEN',
  'The producer of route %s has returned nothing, and never asked for stream.signal: its stream stays open, and keeps its place, until stream.close() is called or the client leaves. Make it async if it is done when it returns; if it goes on in timers or listeners, end them when stream.signal aborts.',
)
export const HF_ERR_SOURCE_IN_USE: Coded = define(
  'HF_ERR_SOURCE_IN_USE',
  'A producer returned a source (%s) that is read elsewhere already, by a listener of its "data" or "line" or by a pipe, so that everything would be sent twice. Return the source alone, or send in the listener and return nothing.',
)
export const HF_ERR_CANNOT_BLOCK: Coded = define(
  'HF_ERR_CANNOT_BLOCK',
  "readySync() would block the server's thread. Use await stream.ready(), or run the route on workers.",
)
export const HF_ERR_STREAM_CLOSED: Coded = define(
  'HF_ERR_STREAM_CLOSED',
  'The event stream was closed: %s. Stop what was done for it.',
)
export const HF_ERR_STREAM_TIMEOUT: Coded = define(
  'HF_ERR_STREAM_TIMEOUT',
  'The time limit %s has closed the event stream: %s. Look for what kept the stream waiting, or raise the limit.',
)
export const HF_ERR_THREAD_LOST: Coded = define(
  'HF_ERR_THREAD_LOST',
  'The thread that ran this stream has died: %s. Look at the cause and at what else ran there; the client may connect again.',
)
export const HF_ERR_TEXT_TOO_LONG: Coded = define(
  'HF_ERR_TEXT_TOO_LONG',
  'The body has %s characters, and openStream() keeps none of more than %s. Give it a larger "maxText", or take the events with next().',
)
