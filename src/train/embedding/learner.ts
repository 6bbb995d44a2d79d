import type { Feed } from '../../runtime/session.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { SizedSessions } from '../stepSessions.ts'
import type { EmbeddingBatch } from './draws.ts'
import { type EmbeddingBatchSize, type EmbeddingGraphOptions, embeddingGraph } from './graph.ts'
import type { PreparedEmbedding } from './prepare.ts'
import { textFeeds } from './textFeeds.ts'

/** Runs steps of learning an embedding, by graphs of the sizes that come up. */
export class EmbeddingLearner {
  readonly #run: PreparedEmbedding
  readonly #sessions: SizedSessions
  readonly #options: EmbeddingGraphOptions

  constructor(run: PreparedEmbedding, sessions: SizedSessions) {
    this.#run = run
    this.#sessions = sessions
    this.#options = graphOptions(run)
  }

  /** The loss of a batch, the error of each picture and the gradient of the vectors. */
  async run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, Tensor>> {
    const [batch, , height, width] = feeds.noisy!.shape as [number, number, number, number]
    const emphasis = feeds['token weights'] === undefined ? 'none' : this.#weighing
    const size = { batch, height, width, chunks: feeds.tokens!.shape[0]! / batch, emphasis }
    const { session } = await this.#sessions.step(JSON.stringify(size), () => embeddingGraph(this.#options, size))
    return session.run({ ...feeds })
  }

  /** What the graph of a batch is fed beside the vectors. */
  feeds({ prompts, timesteps, noisy, target, mask }: EmbeddingBatch): Record<string, Feed> {
    const { learnt, base } = this.#run
    const vectors = learnt.vectors.shape[0]!
    const count = prompts.length
    return {
      ...textFeeds(prompts, { vectors, kind: base.config.text.kind, isWeighed: this.#weighing !== 'none' }),
      noisy,
      target,
      timesteps: { shape: [count], data: Float32Array.from(timesteps) },
      weights: { shape: [count], data: new Float32Array(count).fill(1 / count) },
      ...(mask && { mask }),
    }
  }

  get #weighing(): EmbeddingBatchSize['emphasis'] {
    const { emphasis } = this.#run.prompting
    if (emphasis === 'Ignore' || emphasis === 'None') return 'none'
    return emphasis === 'Original' ? 'balanced' : 'weighed'
  }
}

/** What the graphs of a run have in common. */
export function graphOptions({ base, learnt, prompting, args }: PreparedEmbedding): EmbeddingGraphOptions {
  return {
    config: base.config,
    weights: base.weights,
    vectors: learnt.vectors.shape[0]!,
    skip: prompting.skip,
    isMasked: args.use_weight,
    recomputes: args.gradient_checkpointing,
  }
}
