import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BucketPlace } from '../dataset/buckets.ts'
import { framed, type Resizing } from '../dataset/framing.ts'
import { StudioError } from '../errors.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import type { WeightEntry } from '../files/weights.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import { decodePicture } from '../image/decode.ts'
import { toPixels } from '../image/pixels.ts'
import type { ModelConfig } from '../models/configs.ts'
import { encoderGraph } from '../models/graphs.ts'
import { compile } from '../runtime/compile.ts'
import type { Session } from '../runtime/session.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { entryOf } from './checkpoint.ts'

/** A file of a picture, and how it becomes what is encoded. */
export interface PlacedPicture {
  readonly path: string
  /** A picture whose red says what each pixel counts. */
  readonly mask: string | undefined
  readonly place: BucketPlace
  readonly subset: { readonly resizing: Resizing; readonly isRandomlyCropped: boolean }
}

/** What the autoencoder makes of a picture: where its latent is likely, not scaled. */
export interface Posterior {
  /** [C, H, W]. */
  readonly mean: Tensor
  readonly deviation: Tensor
  /** What each point of the latent [H·W] counts: by the picture's mask, or how opaque it is, if it has either. */
  readonly alpha: Tensor | undefined
}

/** Encodes pictures, each once, and keeps what it found in memory and, if wanted, on the disk. */
export class PosteriorCache {
  readonly #config: ModelConfig
  readonly #weights: ReadonlyMap<string, WeightEntry>
  readonly #vaeHash: string
  readonly #folder: string | undefined
  readonly #threads: number
  readonly #known = new Map<string, Posterior>()
  readonly #fileHashes = new Map<string, string>()
  #session: Session | undefined

  /** With a folder, latents are kept there by the hashes of the picture and of the autoencoder. */
  constructor(options: {
    readonly config: ModelConfig
    readonly weights: ReadonlyMap<string, WeightEntry>
    readonly vaeHash: string
    readonly folder: string | undefined
    readonly threads: number
  }) {
    this.#config = options.config
    this.#weights = options.weights
    this.#vaeHash = options.vaeHash
    this.#folder = options.folder
    this.#threads = options.threads
  }

  /** The posterior of a picture in its bucket. */
  async get(picture: PlacedPicture, isFlipped: boolean): Promise<Posterior> {
    const key = this.#keyOf(picture, isFlipped)
    const known = this.#known.get(key) ?? this.#stored(key) ?? (await this.#encode(picture, isFlipped, key))
    this.#known.set(key, known)
    return known
  }

  /** The posterior of a picture cut out at random, which nobody keeps. */
  async fresh(
    picture: PlacedPicture,
    isFlipped: boolean,
    random: () => number,
    recolor?: (rgb: Uint8Array) => void,
  ): Promise<Posterior> {
    const at = picture.subset.isRandomlyCropped ? random : 'center'
    const { picture: rgb, alpha } = await this.#framed(picture, isFlipped, at)
    recolor?.(rgb.data)
    return this.#posterior(picture.path, rgb, alpha)
  }

  async dispose(): Promise<void> {
    await this.#session?.dispose()
    this.#session = undefined
  }

  #keyOf({ path, mask, place, subset }: PlacedPicture, isFlipped: boolean): string {
    const size = `${place.bucket.join('x')}-${place.resized.join('x')}`
    const masked = mask === undefined ? '' : `-${this.#hashOf(mask).slice(0, 16)}`
    return `${this.#hashOf(path).slice(0, 32)}-${this.#vaeHash.slice(0, 16)}-${size}-${subset.resizing ?? 'auto'}${masked}${isFlipped ? '-flipped' : ''}`
  }

  #hashOf(path: string): string {
    const hash = this.#fileHashes.get(path) ?? createHash('sha256').update(readFileSync(path)).digest('hex')
    this.#fileHashes.set(path, hash)
    return hash
  }

  #stored(key: string): Posterior | undefined {
    if (this.#folder === undefined) return undefined
    try {
      const { entries } = openWeights(join(this.#folder, `${key}.safetensors`))
      const [mean, deviation, alpha] = ['mean', 'deviation', 'alpha'].map((name) => entries.get(name))
      return (
        mean &&
        deviation && { mean: readWeight(mean), deviation: readWeight(deviation), alpha: alpha && readWeight(alpha) }
      )
    } catch {
      return undefined // missing, or broken by an accident: encoded anew
    }
  }

  async #encode(picture: PlacedPicture, isFlipped: boolean, key: string): Promise<Posterior> {
    const { picture: rgb, alpha } = await this.#framed(picture, isFlipped, 'center')
    const posterior = await this.#posterior(picture.path, rgb, alpha)
    if (this.#folder !== undefined) {
      const tensors = Object.entries(posterior).filter((pair): pair is [string, Tensor] => pair[1] !== undefined)
      writeSafetensors(
        join(this.#folder, `${key}.safetensors`),
        tensors.map(([name, tensor]) => entryOf(name, tensor)),
      )
    }
    return posterior
  }

  /** A picture cut to its bucket, and its mask in the same way. */
  async #framed({ path, mask, place, subset }: PlacedPicture, isFlipped: boolean, at: 'center' | (() => number)) {
    // The offsets to the side and down, drawn once for both.
    const offsets = at === 'center' ? [] : [at(), at()]
    const cut = async (file: string, resizing: Resizing) => {
      const left = [...offsets]
      return framed(await decodePicture(file), place, {
        resizing,
        isFlipped,
        at: at === 'center' ? at : () => left.shift()!,
      })
    }
    const { picture, alpha } = await cut(path, subset.resizing)
    if (mask === undefined) return { picture, alpha }
    const { data } = (await cut(mask, 'area')).picture
    return { picture, alpha: { data: data.filter((_, i) => i % 3 === 0) } }
  }

  async #posterior(
    path: string,
    rgb: Parameters<typeof toPixels>[0][number],
    alpha: { data: Uint8Array } | undefined,
  ): Promise<Posterior> {
    this.#session ??= await compile(encoderGraph(this.#config, { weights: this.#weights }), {
      residence: 'auto',
      threads: this.#threads,
    })
    const { moments } = await this.#session.run({ picture: toPixels([rgb]) })
    const [, channels, height, width] = moments!.shape as [number, number, number, number]
    const half = moments!.data.length / 2
    const shape = [channels / 2, height, width]
    const mean = { shape, data: moments!.data.slice(0, half) }
    const deviation = {
      shape,
      data: moments!.data.slice(half).map((x) => Math.exp(0.5 * Math.min(20, Math.max(-30, x)))),
    }
    if (![...mean.data, ...deviation.data].every(Number.isFinite)) {
      throw new StudioError('not-a-number', `${path}: the autoencoder makes no numbers of this picture`, {
        field: path,
      })
    }
    return { mean, deviation, alpha: alpha && pointMeans(alpha.data, rgb.width, width, height) }
  }
}

/** Means over the pixels of each point of a latent, from 0 to 1. */
function pointMeans(alpha: Uint8Array, pixelsWide: number, width: number, height: number): Tensor {
  const scale = pixelsWide / width
  const data = new Float32Array(width * height)
  for (let i = 0; i < alpha.length; i++) {
    const [x, y] = [Math.floor((i % pixelsWide) / scale), Math.floor(Math.floor(i / pixelsWide) / scale)]
    data[y * width + x]! += alpha[i]! / 255 / scale ** 2
  }
  return { shape: [height * width], data }
}
