import { takeRefusal } from '../../runtime/producer-thread.ts'
import type { PortableProducer } from '../../runtime/producer.ts'
import { findProducer, serverMade, type ProducerReference } from './portable.ts'

/** Modules that were loaded here, and whether they made a server. */
const modules = new Map<string, boolean>()

/**
 * Imports a producer's module where it is to run.
 *
 * @throws (rejects with) what {@link findProducer} throws; HF_ERR_SERVER_ON_THREAD for a module that starts a server
 */
export async function loadProducer(reference: ProducerReference): Promise<PortableProducer<never>> {
  const { module } = reference
  const producer = await findProducer(reference)
  if (!modules.has(module)) {
    // A module that does not wait for its server is refused by the next turn.
    await new Promise((resolve) => setImmediate(resolve))
    modules.set(module, modules.get(module) === true || takeRefusal())
  }
  if (modules.get(module) === true) throw serverMade(module)
  return producer
}
