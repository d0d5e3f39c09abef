/**
 * The micro benchmarks, in a process of their own: the code that a server or a generator has compiled and the
 * garbage that it leaves would be measured along. `command/run.ts` starts it.
 */
import { serve } from '../../profiler/load/remote.ts'
import type { OwnExecutor } from '../servers/own-executor.ts'
import { measureEncode, type EncodeRow } from './encode.ts'
import { measureHandOff, type HandOffRow } from './hand-off.ts'
import type { PostMessagesPlan } from './post-message-thread.ts'
import { postMessages, type PostMessagesCost } from './post-message.ts'
import type { Effort } from './rounds.ts'

interface MicroPlan {
  effort: Effort
  own: OwnExecutor | undefined
}

// A type and not an interface: those have no index signature.
export type MicroQuestions = {
  encode(plan: MicroPlan): Promise<EncodeRow[]>
  handOff(plan: MicroPlan): Promise<HandOffRow[]>
  postMessages(plan: PostMessagesPlan): Promise<PostMessagesCost>
}

serve({
  encode: async ({ effort }) => measureEncode(effort),
  handOff: async ({ effort, own }) => measureHandOff(own, effort),
  postMessages,
} satisfies MicroQuestions)
