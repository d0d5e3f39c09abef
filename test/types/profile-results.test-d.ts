/* oxlint-disable vitest/expect-expect -- that it compiles, or does not, is what is asserted */
import { describe, expectTypeOf, test } from 'vitest'
import {
  toHtml,
  type Document,
  type Measurement,
  type Outcome,
  type ProfileCall,
  type ProfileReport,
  type ProfileResults,
  type Summary,
} from '../../profiler/index.ts'

declare const report: ProfileReport
declare const results: ProfileResults

describe('the results of a profile', () => {
  test('are absent where nothing was measured', () => {
    expectTypeOf(report.document.results).toEqualTypeOf<ProfileResults | undefined>()
    // @ts-expect-error may be absent
    void report.document.results.measurement
  })

  test('have their figures without a cast', () => {
    expectTypeOf(results.measurement).toEqualTypeOf<Measurement | undefined>()
    expectTypeOf(results.measurement?.ttfb).toEqualTypeOf<Summary | undefined>()
    expectTypeOf(results.measurement?.ttfb.p90).toEqualTypeOf<number | undefined>()
    expectTypeOf(results.measurement?.outcomes).toEqualTypeOf<Partial<Record<Outcome, number>> | undefined>()
    // @ts-expect-error no such metric
    void results.measurement?.ttfx
    // @ts-expect-error no such outcome
    void results.measurement?.outcomes.lost
  })

  test('have a percentile as undefined where the samples are too few', () => {
    expectTypeOf<Summary['p50']>().toEqualTypeOf<number>()
    expectTypeOf<Summary['p99']>().toEqualTypeOf<number | undefined>()
    expectTypeOf<Summary['p999']>().toEqualTypeOf<number | undefined>()
    expectTypeOf<Measurement['latency']>().toEqualTypeOf<Summary | undefined>()
  })

  test('have what was judged and searched', () => {
    expectTypeOf(results.judged[0]?.holds).toEqualTypeOf<boolean | undefined>()
    expectTypeOf(results.judged[0]?.text).toEqualTypeOf<string | undefined>()
    expectTypeOf(results.capacity?.highest).toEqualTypeOf<number | undefined>()
    expectTypeOf(results.capacity?.steps[0]?.measurement).toEqualTypeOf<Measurement | undefined>()
    expectTypeOf(results.held?.open).toEqualTypeOf<number | undefined>()
    expectTypeOf(results.server?.failure).toEqualTypeOf<string | undefined>()
    expectTypeOf(results.plan.load.rate).toEqualTypeOf<number | undefined>()
    // @ts-expect-error the request may hold a secret
    void results.plan.target
  })

  test('are of a document that can be shown, and compared with', () => {
    expectTypeOf(report.document).toExtend<Document>()
    toHtml(report.document)
    expectTypeOf<ProfileCall['compare']>().toEqualTypeOf<Document | undefined>()
    void ({ compare: report.document } satisfies ProfileCall)
  })
})
