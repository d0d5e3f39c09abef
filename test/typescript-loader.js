// Loads TypeScript in the main thread and in worker threads alike, which `--import tsx` alone does not.
import { register } from 'tsx/esm/api'

register()
