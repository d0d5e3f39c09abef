/**
 * A module of headfirst that the package does not export, from the very files that it ships.
 *
 * @param path in the package's `dist`
 */
export async function built<Module>(path: string): Promise<Module> {
  return (await import(new URL(path, import.meta.resolve('headfirst')).href)) as Module
}
