import type { Picture } from '../image/picture.ts'
import type { GenerationInfo } from '../pipeline/wire/info.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** A picture that goes out. */
export interface OutputPicture {
  readonly picture: Picture
  /** What its file says of itself; grids of scripts say nothing. */
  readonly infotext: string | undefined
}

/** What a request has come to. */
export interface Processed {
  readonly pictures: readonly OutputPicture[]
  readonly info: GenerationInfo
  readonly notes: readonly string[]
}

/** What a request tells while it runs: each step, and each finished picture. */
export type TaskProgress = TaskStep | TaskPicture

export interface TaskStep {
  readonly kind: 'step'
  /** Which pass of how many, over all batches, counted from 0. */
  readonly pass: number
  readonly passes: number
  /** Steps done in this pass, of as many as are expected. */
  readonly step: number
  readonly steps: number
  /** The model's estimate of the finished latents, [batch, 4, h, w]: what previews show. */
  readonly denoised: Tensor
}

export interface TaskPicture {
  readonly kind: 'picture'
  readonly output: OutputPicture
}
