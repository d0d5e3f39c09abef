/** Columns that several tables share. */
import type { Column } from '../report/document.ts'

export const right = (title: string, unit?: string): Column => ({
  title,
  align: 'right',
  ...(unit === undefined ? {} : { unit }),
})
export const VERDICT: Column = { title: 'verdict' }
