import type { Picture, Rgb8 } from '../image/picture.ts'
import type { GeneratedImage } from '../pipeline/generate.ts'
import type { Recipe } from '../pipeline/recipe.ts'
import type { GenerationInfo } from '../pipeline/wire/info.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** A picture that goes out. */
export interface OutputPicture {
  readonly picture: Picture
  /** What its file says of itself; grids of scripts and masks say nothing. */
  readonly infotext: string | undefined
}

/** What a request has come to. */
export interface Processed {
  readonly pictures: readonly OutputPicture[]
  readonly info: GenerationInfo
  readonly notes: readonly string[]
}

/** What a request tells while it runs: each step, each finished picture, each grid of them. */
export type TaskProgress = TaskStep | TaskPicture | TaskGrid

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

/** A finished picture, a part of the request's result or put together from several. */
export interface TaskPicture {
  readonly kind: 'picture'
  readonly recipe: Recipe
  readonly image: GeneratedImage
}

/** A grid of finished pictures; `image` tells whose infotext it is given. */
export interface TaskGrid {
  readonly kind: 'grid'
  readonly recipe: Recipe
  readonly image: GeneratedImage
  readonly grid: Rgb8
  /** What its file's name begins with. */
  readonly basename: string
}
