/** Above or below what a load generator measures itself, and not the server. */

/**
 * How late the generator may open connections, at the 99th percentile in ms. What it is late counts against the
 * server, so that it can make nothing look better; but it should not be what one sees.
 */
export const MOST_LAG_P99_MS = 5
/** Above it a loop's own queue shows in what it measures. */
export const MOST_UTILISATION = 0.7
/** Achieved rate ÷ offered rate. */
export const LEAST_ACHIEVED = 0.98
