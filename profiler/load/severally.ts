/**
 * Does something so many times, a number of them at a time: as one is done, the next begins.
 *
 * @param isOver asked before each: no more are begun
 */
export async function severally(
  { times, atATime }: { times: number; atATime: number },
  once: () => Promise<void>,
  isOver: () => boolean = () => false,
): Promise<void> {
  let missing = times
  const oneAfterAnother = async (): Promise<void> => {
    while (missing > 0 && !isOver()) {
      missing--
      await once()
    }
  }
  await Promise.all(Array.from({ length: atATime }, oneAfterAnother))
}
