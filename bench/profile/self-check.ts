export async function selfCheck(_json: string | undefined): Promise<number> {
  return 0
}
