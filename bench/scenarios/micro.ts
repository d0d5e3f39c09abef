/** Small pieces on their own, without any server. */
export interface MicroScenario {
  kind: 'encode' | 'hand-off'
  name: string
}

export const MICRO: readonly MicroScenario[] = [
  { kind: 'encode', name: 'encode' },
  { kind: 'hand-off', name: 'hand-off' },
]
