import { takeRefusal } from '../../runtime/producer-thread.ts'
import type { PortableProducer } from '../../runtime/producer.ts'
import { findProducer, serverMade, type ProducerReference } from './portable.ts'

/** Modules that were loaded here; true for a module that started a server. */
const modules = new Map<string, boolean>()

/**
 * Imports a producer's module on the thread (or in the process) where the producer runs.
 *
 * @throws (rejects with) what {@link findProducer} throws; HF_ERR_SERVER_ON_THREAD if the module starts a server
 */
export async function loadProducer(reference: ProducerReference): Promise<PortableProducer<never>> {
  const { module } = reference
  const producer = await findProducer(reference)
  if (!modules.has(module)) {
    // If a module starts a server without awaiting it, the refusal of headfirst comes before the next turn.
    await new Promise((resolve) => setImmediate(resolve))
    modules.set(module, modules.get(module) === true || takeRefusal())
  }
  if (modules.get(module) === true) throw serverMade(module)
  return producer
}
