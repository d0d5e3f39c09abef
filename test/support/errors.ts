/** The error that a call throws, or that its promise rejects with. */
export async function errorOf(act: () => unknown): Promise<Error & { code?: string }> {
  try {
    await act()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}
