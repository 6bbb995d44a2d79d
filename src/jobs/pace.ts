import type { WorkerStatus } from './queue.ts'

/** How fast work goes: a running mean of seconds for a unit of cost, in which the latest jobs count most. */
export class Pace {
  #secondsPerCost: number | undefined

  note(cost: number, seconds: number): void {
    if (cost <= 0) return
    const latest = seconds / cost
    this.#secondsPerCost = this.#secondsPerCost === undefined ? latest : 0.7 * this.#secondsPerCost + 0.3 * latest
  }

  /** Seconds until a job submitted now would start, by the cost of all that has not ended and how many of it wait. */
  waitSeconds(costs: readonly number[], waiting: number, workers: readonly WorkerStatus[]): number | undefined {
    const hands = workers.filter(({ state }) => state !== 'stopped').length
    if (waiting === 0 && costs.length < hands) return 0
    const cost = costs.reduce((sum, each) => sum + each, 0)
    return hands === 0 ? undefined : this.#seconds(cost, hands)
  }

  #seconds(cost: number, workers: number): number | undefined {
    return this.#secondsPerCost === undefined ? undefined : (cost * this.#secondsPerCost) / workers
  }
}
