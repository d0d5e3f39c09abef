/** `headfirst/elsewhere`: the parts of an executor that runs producers in another process or on another machine. */
export { FarEnd } from './far-end.ts'
export { FrameKind, FramesInvalid } from './frames.ts'
export type { Frame, ToFarEnd } from './link.ts'
export { NearEnd } from './near-end.ts'
export type { Order } from './order.ts'
export { checkPortable, type CheckPortableOptions, type ProducerReference } from './portable.ts'
