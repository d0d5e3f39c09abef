import { Progress } from '../../profiler/command/progress.ts'
import { beside, Remote } from '../../profiler/load/remote.ts'
import { UsageError } from '../../profiler/usage-error.ts'
import { compareBlock, compareRate } from '../figures/compare.ts'
import { measureFigures } from '../figures/figures.ts'
import type { Bench } from '../figures/rounds.ts'
import type { MicroQuestions } from '../micro/micro-benchmarks.ts'
import type { Effort } from '../micro/rounds.ts'
import type { Results } from '../report/results.ts'
import { factsOf } from '../report/run-facts.ts'
import { measureBlockRow, serviceTime } from '../rows/block-row.ts'
import { measureHeld, mostFiles, stepsWithin } from '../rows/held-row.ts'
import { producerScenarios } from '../rows/producer-scenarios.ts'
import { measureRateRow } from '../rows/rate-row.ts'
import type { BlockScenario } from '../scenarios/block.ts'
import type { Contender } from '../scenarios/contender.ts'
import type { HeldScenario } from '../scenarios/held.ts'
import type { RateScenario } from '../scenarios/rate.ts'
import { isTriedQuickly, type FigureScenario, type Scenario } from '../scenarios/scenarios.ts'
import type { OwnExecutor } from '../servers/own-executor.ts'
import { isPeer, type Peer } from '../servers/peers.ts'
import { Testbed } from '../testbed/testbed.ts'
import type { Arguments } from './arguments.ts'

const MICRO: Effort = { rounds: 3, timeMs: 60, warmupMs: 20 }
const QUICK_MICRO: Effort = { rounds: 1, timeMs: 5, warmupMs: 1 }
const QUICK_SERVICE_SAMPLES = 10
const COMPARED_ROUNDS = 10
const COMPARED_ARRIVALS = 200
const MICRO_TIMEOUT_MS = 120_000

/** In the order of the table. */
const EXECUTORS: readonly Contender[] = ['inline', 'microtask', 'deferred', 'workers', 'own']

/** Measures one scenario after another. */
export class Run {
  readonly results: Results
  readonly #args: Arguments
  readonly #testbed: Testbed
  /** What runs, in order. */
  #scenarios: readonly Scenario[]
  #progress: Progress

  constructor(args: Arguments) {
    this.#args = args
    this.results = {
      ...factsOf(args),
      full: args.full,
      serviceMs: {},
      blocks: [],
      rates: [],
      held: { rows: [], limits: [] },
      encode: [],
      handOff: [],
      figures: [],
    }
    this.#testbed = new Testbed(args.own, args.generators)
    this.#scenarios = args.quick ? args.scenarios.filter(isTriedQuickly) : args.scenarios
    this.#progress = this.#begin()
  }

  async measure(): Promise<void> {
    try {
      this.#checkFiles()
      if (this.#args.own !== undefined) await this.#checkOwn(this.#args.own)
      if (this.#args.producer !== undefined) await this.#takeProducer(this.#args.producer)
      for (const scenario of this.#scenarios) await this.#measure(scenario)
    } finally {
      this.#progress.clear()
    }
  }

  /** Before minutes are spent. */
  #checkFiles(): void {
    if (this.#args.quick) return
    for (const one of this.#scenarios) if (one.kind === 'held') stepsWithin(one.steps, mostFiles())
  }

  /** Before minutes are spent. */
  async #checkOwn({ url }: OwnExecutor): Promise<void> {
    try {
      await this.#testbed.withServer(this.#testbed.blockPlan('own', 0), async () => {})
    } catch (error) {
      if (this.results.interrupted) throw error
      throw new UsageError(`--executor: no server starts with ${url}. ${(error as Error).message}`, {
        cause: error,
      })
    }
  }

  /** What a user's producer takes is measured first, and decides what runs. */
  async #takeProducer({ name, url }: OwnExecutor): Promise<void> {
    const { quick, full } = this.#args
    this.#testbed.producer = { name, url, waits: false }
    try {
      const { waits, serviceMs, scenarios } = await producerScenarios(this.#testbed, name, { quick, full })
      this.#testbed.producer = { name, url, waits }
      this.results.serviceMs[name] = serviceMs
      this.#scenarios = scenarios
      this.#progress = this.#begin()
    } catch (error) {
      if (this.results.interrupted) throw error
      throw new UsageError(`--producer: no load can be made with ${url}. ${(error as Error).message}`, {
        cause: error,
      })
    }
  }

  #begin(): Progress {
    return new Progress(this.#scenarios.reduce((steps, scenario) => steps + this.#steps(scenario), 0))
  }

  /** How many steps a scenario has, for the progress. */
  #steps(scenario: Scenario): number {
    if (this.#args.compare !== undefined) return 1
    if (scenario.kind === 'block') return this.#contenders(scenario).length
    if (scenario.kind === 'held') return scenario.executors.length
    return scenario.kind === 'rate' ? this.#executors().length : 1
  }

  #contenders({ contenders }: BlockScenario): readonly (Contender | Peer)[] {
    return contenders ?? [...this.#executors(), 'idle']
  }

  #executors(): readonly Contender[] {
    return EXECUTORS.filter((name) => name !== 'own' || this.#args.own !== undefined)
  }

  async #measure(scenario: Scenario): Promise<void> {
    switch (scenario.kind) {
      case 'block':
        return this.#measureBlock(scenario)
      case 'rate':
        return this.#measureRate(scenario)
      case 'held':
        return this.#measureHeld(scenario)
      case 'encode':
      case 'hand-off':
        return this.#measureMicro(scenario.kind)
      default:
        return this.#measureFigures(scenario)
    }
  }

  async #measureBlock(scenario: BlockScenario): Promise<void> {
    const { quick, seed } = this.#args
    const { blockMs, name } = scenario
    const kind = name.slice(0, name.indexOf('@'))
    const samples = quick ? QUICK_SERVICE_SAMPLES : scenario.serviceSamples
    const serviceMs = (this.results.serviceMs[kind] ??= await serviceTime(
      this.#testbed,
      blockMs,
      samples,
      scenario.work,
    ))
    if (this.#args.compare !== undefined) {
      const arrivals = this.#comparedArrivals(scenario)
      this.#progress.next(name)
      const plan = { pair: this.#args.compare, rounds: COMPARED_ROUNDS, arrivals, serviceMs }
      this.results.figures.push(...(await compareBlock(this.#bench(name), scenario, plan)))
      return
    }
    for (const contender of this.#contenders(scenario)) {
      const shown = isPeer(contender) ? contender : this.#testbed.nameOf(contender)
      this.#progress.next(`${name} ${shown}`)
      const arrivals = this.#arrivals(scenario, isPeer(contender) ? 'inline' : contender)
      const plan = { scenario, contender, serviceMs, seed, arrivals }
      this.results.blocks.push(await measureBlockRow(this.#testbed, plan))
    }
  }

  /** Many rounds of few give a narrower interval than few rounds of many. */
  #comparedArrivals(scenario: BlockScenario): number {
    const arrivals = this.#arrivals(scenario, 'inline')
    return this.#args.full ? arrivals : Math.min(arrivals, COMPARED_ARRIVALS)
  }

  #arrivals({ arrivals, quickArrivals }: BlockScenario, contender: Contender): number {
    if (this.#args.quick) return quickArrivals ?? 0
    return this.#args.full ? Math.max(...Object.values(arrivals)) : arrivals[contender]
  }

  async #measureRate(scenario: RateScenario): Promise<void> {
    const { quick, compare } = this.#args
    if (compare !== undefined) {
      this.#progress.next(scenario.name)
      const plan = { pair: compare, rounds: COMPARED_ROUNDS }
      this.results.figures.push(...(await compareRate(this.#bench(scenario.name), scenario, plan)))
      return
    }
    for (const contender of this.#executors()) {
      this.#progress.next(`${scenario.name} ${this.#testbed.nameOf(contender)}`)
      const events = quick ? scenario.quickEvents : scenario.events
      this.results.rates.push(await measureRateRow(this.#testbed, scenario, contender, events))
    }
  }

  async #measureHeld(scenario: HeldScenario): Promise<void> {
    const { quick, seed } = this.#args
    const { name, executors } = scenario
    for (const executor of executors) {
      this.#progress.next(`${name} ${executor}`)
      const tell = (what: string): void => this.#progress.now(`${name} ${what}`)
      const { rows, limit } = await measureHeld(this.#testbed, scenario, { executor, quick, seed, tell })
      this.results.held.rows.push(...rows)
      this.results.held.limits.push(limit)
    }
  }

  async #measureMicro(kind: 'encode' | 'hand-off'): Promise<void> {
    this.#progress.next(kind)
    const { quick, own } = this.#args
    const plan = { effort: quick ? QUICK_MICRO : MICRO, own }
    const remote = new Remote<MicroQuestions>(beside(import.meta.url, '../micro/micro-benchmarks'))
    try {
      if (kind === 'encode') this.results.encode = await remote.ask('encode', plan, MICRO_TIMEOUT_MS)
      else this.results.handOff = await remote.ask('handOff', plan, MICRO_TIMEOUT_MS)
    } finally {
      await remote.stop()
    }
  }

  async #measureFigures(scenario: FigureScenario): Promise<void> {
    this.#progress.next(scenario.name)
    this.results.figures.push(...(await measureFigures(this.#bench(scenario.name), scenario)))
  }

  #bench(name: string): Bench {
    const { quick, seed, rounds } = this.#args
    const tell = (contender: string): void => this.#progress.now(`${name} ${contender}`)
    return { testbed: this.#testbed, quick, seed, rounds, tell }
  }
}
