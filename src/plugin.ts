/** The seam to Fastify: registers decorators and hooks, and names the executors that there are. */
import type { FastifyInstance, FastifyRequest, RouteOptions as FastifyRouteOptions } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import {
  HF_ERR_ALREADY_REGISTERED,
  HF_ERR_OPTION_INVALID,
  HF_ERR_REPLY_SSE_TAKEN,
  HF_ERR_SERVER_ON_THREAD,
} from './errors.ts'
import { deferred } from './executors/deferred.ts'
import { inline } from './executors/inline.ts'
import { microtask } from './executors/microtask.ts'
import { workers } from './executors/workers/pool.ts'
import { prefers, varyOnAccept } from './fastify/accept.ts'
import type { Headfirst, HeadfirstOptions } from './fastify/declarations.ts'
import { addRoute, sse } from './fastify/reply-sse.ts'
import { ExecutorSlot } from './runtime/executor-slot.ts'
import type { Executor } from './runtime/executor.ts'
import { Observation } from './runtime/observation.ts'
import { isObject, milliseconds } from './runtime/option-rules.ts'
import { refusesServer } from './runtime/producer-thread.ts'
import { checkProfile, ServerProfile, type ProfileOptions } from './runtime/server-profile.ts'
import { checkRouteOptions } from './runtime/resolve-options.ts'
import { Scope } from './runtime/scope.ts'
import { SteadyLog } from './runtime/steady-log.ts'

/** A registration's scope, on the Fastify instance that it belongs to; child instances inherit it. */
const kScope: unique symbol = Symbol('headfirst.scope')

type Scoped = FastifyInstance & { [kScope]?: Scope<FastifyRequest> }

async function plugin(app: Scoped, options: HeadfirstOptions): Promise<void> {
  if (refusesServer()) throw new HF_ERR_SERVER_ON_THREAD()
  if (Object.hasOwn(app, kScope)) throw new HF_ERR_ALREADY_REGISTERED()
  const { executors, graceMs, profile, ...defaults } = checkRouteOptions(options, "headfirst's options", {
    executors: ['an object of executors, by name', isObject],
    graceMs: milliseconds(0),
    profile: ['an object of path and token', isObject],
  })
  const parent = app[kScope]
  const checkedProfile = profile === undefined ? undefined : checkOutermost(profile, parent)
  const named: Record<string, Executor> = {
    ...(parent === undefined && {
      inline: inline(),
      microtask: microtask(),
      deferred: deferred(),
      workers: workers(),
    }),
    ...executors,
  }
  const slots = Object.entries(named).map(([name, executor]) => new ExecutorSlot(name, executor))
  const scope = new Scope(parent, defaults, slots, graceMs)
  if (parent === undefined) decorate(app)
  for (const slot of slots) slot.claim()
  const serverProfile = checkedProfile && new ServerProfile(checkedProfile)
  scope.observation = serverProfile
    ? new Observation([serverProfile], checkedProfile.blockedMs)
    : parent?.observation
  for (const slot of slots) scope.observation?.observe(slot)
  app[kScope] = scope
  if (parent !== undefined) {
    parent.adopt(scope)
    return
  }

  if (serverProfile) addProfile(app, checkedProfile.path, serverProfile, scope)
  app.addHook('preClose', async () => {
    scope.observation?.close()
    const running = await scope.close()
    if (running.length > 0) {
      new SteadyLog(app.log).warn({ running }, 'producers still run after the grace of the shutdown')
    }
  })
}

/** Once for an instance and all below it: a route finds its scope where it is declared. */
function decorate(app: Scoped): void {
  if (app.hasReplyDecorator('sse') || app.hasDecorator('sse')) {
    throw new HF_ERR_REPLY_SSE_TAKEN('it has decorated the reply or the server with "sse"')
  }
  app.decorate('sse', {
    getter(this: FastifyInstance) {
      return (this as Scoped)[kScope] as Headfirst
    },
  })
  app.decorateReply('sse', {
    getter: () => sse as never,
    // Some plugins set reply.sse for each request.
    setter() {
      throw new HF_ERR_REPLY_SSE_TAKEN('it sets reply.sse')
    },
  } as never)
  app.decorateRequest('prefersEventStream', prefers)
  app.addHook('onSend', varyOnAccept)
  app.addHook('onRoute', function (this: FastifyInstance, route: FastifyRouteOptions) {
    addRoute((this as Scoped)[kScope] as Scope<FastifyRequest>, route)
  })
  app.addHook('onReady', async () => {
    if (app.hasPlugin('@fastify/sse')) throw new HF_ERR_REPLY_SSE_TAKEN('@fastify/sse')
  })
}

/** @throws HF_ERR_OPTION_UNKNOWN, HF_ERR_OPTION_INVALID */
function checkOutermost(
  options: ProfileOptions,
  parent: Scope<FastifyRequest> | undefined,
): Required<ProfileOptions> {
  const checked = checkProfile(options)
  if (parent === undefined) return checked
  const expected = 'left to the outermost registration, whose profile is that of nested ones too'
  throw new HF_ERR_OPTION_INVALID('profile', "headfirst's options", expected, 'one of its own')
}

function addProfile(app: Scoped, url: string, profile: ServerProfile, scope: Scope<FastifyRequest>): void {
  app.route({
    method: 'GET',
    url,
    exposeHeadRoute: false,
    handler(request, reply) {
      if (!profile.isAllowed(request.headers.authorization)) {
        reply.callNotFound()
        return
      }
      scope.observation?.look()
      reply.header('cache-control', 'no-store').send({ ...profile.answer(), stats: scope.stats() })
    },
  })
}

/** The Fastify plugin: `await app.register(headfirst, { … })` above the routes that use it. */
const headfirst: typeof plugin = fastifyPlugin(plugin, { name: 'headfirst', fastify: '5.x' })

export default headfirst
