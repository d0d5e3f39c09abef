import { environment, type Environment } from './environment.ts'

/** What is to be known of any run, besides what it has found. */
export interface RunFacts {
  environment: Environment
  startedAt: string
  seed: number
  quick: boolean
  interrupted: boolean
}

/** Of a run that begins now. */
export function factsOf({ seed, quick }: Pick<RunFacts, 'seed' | 'quick'>): RunFacts {
  return { environment: environment(), startedAt: new Date().toISOString(), seed, quick, interrupted: false }
}
