/**
 * A `Vary` header that names a request header which the choice of the response depended on (RFC 9110, 12.5.5):
 * added to what is there, unless that names it already or is `*`.
 *
 * @param current the header's value, if there is one
 * @param field as `Accept`
 */
export function varyOn(current: string | number | string[] | undefined, field: string): string {
  const fields = [current].flat().join(', ')
  const names = fields.split(',').map((name) => name.trim().toLowerCase())
  if (names.includes('*') || names.includes(field.toLowerCase())) return fields
  return names.some((name) => name !== '') ? `${fields}, ${field}` : field
}
