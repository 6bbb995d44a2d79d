/**
 * The mean of the losses of the last epoch's worth of steps: each step's takes the place of the same step's an epoch
 * before, and during the first epoch the mean is over those there are.
 */
export class LossMean {
  readonly #losses: number[]

  constructor(losses: readonly number[] = []) {
    this.#losses = [...losses]
  }

  /** Takes the loss of a step of its epoch, counted from 0. */
  add(step: number, loss: number): void {
    this.#losses[step] = loss
  }

  get value(): number {
    return this.#losses.reduce((sum, loss) => sum + loss, 0) / Math.max(1, this.#losses.length)
  }

  get losses(): readonly number[] {
    return this.#losses
  }
}
