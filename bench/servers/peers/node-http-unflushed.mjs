import { listenRaw } from './raw-stream.mjs'

/** As the first page of a search shows it: not one byte leaves before the handler is done. */
export const listen = async (streams) => listenRaw(streams, { flush: false })
