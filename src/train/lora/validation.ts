import type { Tensor } from '../../tensor/tensor.ts'
import type { PictureBatch } from './data.ts'
import type { Draws } from './draws.ts'
import type { Learner } from './learner.ts'

/** Of the timesteps from first to last, four in between: those kohya judges by. */
export function validationTimesteps([from, below]: readonly [number, number]): readonly number[] {
  return [1, 2, 3, 4].map((i) => Math.floor(from + (i * (below - from)) / 5))
}

/** The mean loss over the pictures kept apart, at fixed timesteps with fixed noise, so that only the network differs. */
export async function validationLoss(
  batches: readonly PictureBatch[],
  timesteps: readonly number[],
  { draws, learner, network }: { draws: Draws; learner: Learner; network: ReadonlyMap<string, Tensor> },
): Promise<number> {
  let sum = 0
  for (const [number, pictures] of batches.entries()) {
    for (const timestep of timesteps) {
      const feeds = await learner.feeds(await draws.validation(pictures, timestep, number))
      const { loss } = await learner.run({ ...feeds, ...Object.fromEntries(network) }, true)
      sum += loss!.data[0]!
    }
  }
  return sum / (batches.length * timesteps.length)
}
