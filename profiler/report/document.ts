/**
 * What a run has to tell, as a list of blocks: the terminal prints some of them, the HTML file draws them all, and
 * the JSON file holds them as they are. Whoever measures makes blocks; whoever shows them knows nothing of how they
 * were measured. Times are in ms unless a unit says otherwise.
 */
export interface Document {
  /** `bench`, `profile` or `soak`. */
  tool: string
  title: string
  /** The command that makes it again. */
  command: string
  /** ISO 8601. */
  startedAt: string
  /** The machine, as name and value. */
  environment: readonly (readonly [name: string, value: string])[]
  blocks: readonly Block[]
  /** What the tool has measured, raw, for whoever wants to compute with it. Not shown. */
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
  /** Formulas, and what to know to read it. */
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
