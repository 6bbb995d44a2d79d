/** How fast work goes: a running mean of seconds for a unit of cost, in which the latest jobs count most. */
export class Pace {
  #secondsPerCost: number | undefined

  note(cost: number, seconds: number): void {
    if (cost <= 0) return
    const latest = seconds / cost
    this.#secondsPerCost = this.#secondsPerCost === undefined ? latest : 0.7 * this.#secondsPerCost + 0.3 * latest
  }

  /** Seconds that so many workers need for this much; undefined before the first job. */
  seconds(cost: number, workers: number): number | undefined {
    return this.#secondsPerCost === undefined ? undefined : (cost * this.#secondsPerCost) / workers
  }
}
