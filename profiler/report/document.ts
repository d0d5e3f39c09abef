/**
 * The report of a run, as a list of blocks: the terminal prints some of them, the HTML file draws them all, and the
 * JSON file holds them as they are. What measures makes blocks; this folder shows them, however they were measured.
 * Times are in ms unless a `unit` is given.
 */
export interface Document {
  /** What has made it: `profile`, `bench` or `soak`. */
  tool: string
  /** Its heading. */
  title: string
  /** The command or the call that makes it again, without secrets. */
  command: string
  /** ISO 8601. */
  startedAt: string
  /** The machine, and what was measured, as names and values. */
  environment: readonly (readonly [name: string, value: string])[]
  /** In their order. The first is the summary, where it is a text. */
  blocks: readonly Block[]
  /** What was measured, as numbers to compute with: shown nowhere. Of a profile: `version`, `plan`, `measurement`, … */
  results?: object
}

export type Block = Text | Table | Percentiles | Lines | HeatMap | Timeline | Waterfall

/** Plain words. */
export interface Text {
  kind: 'text'
  heading?: string
  text: string
}

export interface Table {
  kind: 'table'
  title: string
  columns: readonly Column[]
  /** Texts, or numbers that are shown with the column's digits. */
  rows: readonly (readonly (string | number | undefined)[])[]
  /** Formulas, and how to read it. */
  notes: readonly string[]
}

/** In a column with the title `verdict` the words have colours: green for ok and reached, red for missed, … */
export interface Column {
  title: string
  /** Shown in the head of the column. */
  unit?: string
  /** Numbers stand right. Default: right for numbers, left for texts. */
  align?: 'left' | 'right'
  /** Significant digits of numbers. Default 3. */
  digits?: number
}

/** Latency by percentile (0 to 100), with 1 ÷ (1 − p ÷ 100) on a logarithmic x. */
export interface Percentiles {
  kind: 'percentiles'
  title: string
  series: readonly {
    name: string
    /** By theory, not measured: drawn dashed. */
    theory?: boolean
    points: readonly (readonly [percentile: number, ms: number])[]
  }[]
  notes: readonly string[]
}

export interface Lines {
  kind: 'lines'
  title: string
  x: Axis
  y: Axis
  series: readonly {
    name: string
    theory?: boolean
    points: readonly (readonly [x: number, y: number])[]
  }[]
  notes: readonly string[]
}

export interface Axis {
  label: string
  unit?: string
  logarithmic?: boolean
}

/** How many samples fell into each cell: time on x, the value on a logarithmic y. */
export interface HeatMap {
  kind: 'heatmap'
  title: string
  x: Axis
  y: Axis
  /** Lower bounds of the columns and rows, and the upper bound of the last. */
  columns: readonly number[]
  rows: readonly number[]
  /** By column, then by row. */
  counts: readonly (readonly number[])[]
  notes: readonly string[]
}

/** Shares of time, from 0 to 1, over time in seconds; and incidents, with 0 ms where they have no duration. */
export interface Timeline {
  kind: 'timeline'
  title: string
  series: readonly { name: string; points: readonly (readonly [seconds: number, share: number])[] }[]
  incidents: readonly { atSeconds: number; forMs: number; label: string }[]
  notes: readonly string[]
}

/** Sampled connections, each from its intended start: phases one after another, and marks (events). */
export interface Waterfall {
  kind: 'waterfall'
  title: string
  rows: readonly {
    label: string
    phases: readonly { name: string; fromMs: number; untilMs: number }[]
    marksMs: readonly number[]
  }[]
  notes: readonly string[]
}
