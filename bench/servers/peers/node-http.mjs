import { listenRaw } from './raw-stream.mjs'

export const listen = async (streams) => listenRaw(streams)
