/**
 * Adds a request header to the value of `Vary`, because the response depends on it (RFC 9110, 12.5.5). A value that is
 * `*` or already has the name stays as it is.
 *
 * @param current the value of `Vary`, if the response has one
 * @param field the name of the request header, such as `Accept`
 */
export function varyOn(current: string | number | string[] | undefined, field: string): string {
  if (current === undefined) return field
  const fields = [current].flat().join(', ')
  const names = fields.split(',').map((name) => name.trim().toLowerCase())
  if (names.includes('*') || names.includes(field.toLowerCase())) return fields
  return names.some((name) => name !== '') ? `${fields}, ${field}` : field
}
