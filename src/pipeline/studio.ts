import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { stampOf } from '../files/remembered.ts'
import { parseStyles, type Style } from '../text/styles.ts'
import type { Tokenizer, TokenizerKind } from '../text/tokenizer.ts'
import { builtInUpscalers, Library } from './library.ts'
import { type Model, openModel } from './model.ts'
import { modelUpscaler } from './modelUpscaler.ts'
import { NetworkShelf } from './networks.ts'
import { openTokenizer } from './openTokenizer.ts'
import { OptionsFile } from './optionsFile.ts'
import { tryPrediction } from './predictionTrial.ts'
import type { FileIdentity, ModelFiles, Noise, UpscalerTiles } from './recipe.ts'
import { SessionPool } from './sessionPool.ts'
import { plainUpscaler, type UpscaleStep } from './upscale.ts'
import type { Options } from './wire/options.ts'

export interface StudioSettings {
  /** What the noise source "GPU" stands for: CUDA's numbers, or, as on the reference's `--use-cpu all`, the CPU's. */
  readonly gpuNoise?: Noise['source']
  /** Threads inside one operator; as many as there are cores unless told otherwise. */
  readonly threads?: number
  /** The checkpoint that is used where the folder has none; the package's own unless told otherwise. */
  readonly embedded?: string
}

/** A data folder, and what of it is in memory: the checkpoint in use, its sessions, the networks used last. */
export class Studio {
  readonly dataDir: string
  readonly gpuNoise: Noise['source']
  /** Threads inside one operator. */
  readonly threads: number
  readonly library: Library
  readonly optionsFile: OptionsFile
  readonly pool: SessionPool
  readonly shelf: NetworkShelf
  #models: Model[] = []
  /** What files were when they were opened. */
  readonly #stamps = new Map<string, string>()
  readonly #tokenizers = new Map<TokenizerKind, Tokenizer>()

  constructor(dataDir: string, { gpuNoise = 'nv', threads = availableParallelism(), embedded }: StudioSettings = {}) {
    this.dataDir = resolve(dataDir)
    this.gpuNoise = gpuNoise
    this.threads = threads
    this.library = new Library(this.dataDir, embedded)
    this.optionsFile = new OptionsFile(join(this.dataDir, 'config.json'))
    this.pool = new SessionPool({ threads, cacheDir: join(this.dataDir, 'cache') })
    this.shelf = new NetworkShelf(this.pool)
  }

  /** The options of config.json as they were read last. */
  get options(): Options {
    return this.optionsFile.options
  }

  /** A checkpoint with its VAE, opened where it is not. */
  model({ checkpoint, vae }: ModelFiles): Model {
    const known = this.#models.find(
      (model) => model.checkpoint.path === checkpoint.path && model.vae?.path === vae?.path,
    )
    if (known) return known
    // Before it is read: a change in between is a change.
    for (const path of pathsOf({ checkpoint, vae })) this.#stamps.set(path, stampOf(path))
    const model = openModel(checkpoint, vae)
    this.#models.push(model)
    return model
  }

  /** Whether the files of a model are still those that were opened. */
  isUnchanged(files: ModelFiles): boolean {
    return pathsOf(files).every((path) => this.#stamps.get(path) === stampOf(path))
  }

  /** Paths of the checkpoints in memory, the one opened first at the front. */
  get heldCheckpoints(): readonly string[] {
    return this.#models.map(({ checkpoint }) => checkpoint.path)
  }

  /** A checkpoint of which it is known what it predicts: where its files do not say, a trial does. */
  async settledModel(files: ModelFiles): Promise<Model> {
    const model = this.model(files)
    if (!model.isPredictionAssumed) return model
    const prediction = await tryPrediction(await this.shelf.adapt(model, []), this.pool)
    const settled = { ...model, config: { ...model.config, prediction }, isPredictionAssumed: false }
    this.#models = this.#models.map((known) => (known === model ? settled : known))
    return settled
  }

  /** Frees whatever belongs to other checkpoints than these, or to what a file was before it was replaced. */
  async keepOnly(checkpoints: readonly FileIdentity[]): Promise<void> {
    const wanted = checkpoints.map(({ path }) => path)
    const isKept = (model: Model) => wanted.includes(model.checkpoint.path) && this.isUnchanged(model)
    if (this.#models.every(isKept)) return
    const replaced = this.#models.filter((model) => !this.isUnchanged(model)).map(({ checkpoint }) => checkpoint.path)
    this.#models = this.#models.filter((model) => isKept(model) && !replaced.includes(model.checkpoint.path))
    this.shelf.clear()
    const kept = wanted.filter((path) => !replaced.includes(path))
    await this.pool.release((key) => kept.some((path) => key.startsWith(`${path}|`)))
  }

  /** The upscaler of that name; undefined where Lanczos alone does it. */
  upscaler(name: string, tiles: UpscalerTiles): UpscaleStep | undefined {
    if (builtInUpscalers.some((builtIn) => builtIn === name)) return plainUpscaler(name)
    return modelUpscaler(this.library.upscaler(name, 'upscaler').path, tiles, this.pool)
  }

  /** The styles of styles.csv, as it is now. */
  styles(): readonly Style[] {
    const path = join(this.dataDir, 'styles.csv')
    return existsSync(path) ? parseStyles(readFileSync(path, 'utf8')) : []
  }

  tokenizer(kind: TokenizerKind): Tokenizer {
    const known = this.#tokenizers.get(kind) ?? openTokenizer(kind)
    this.#tokenizers.set(kind, known)
    return known
  }

  /** Frees all native memory; the studio must not be used afterwards. */
  close(): Promise<void> {
    return this.pool.release()
  }
}

function pathsOf({ checkpoint, vae }: ModelFiles): readonly string[] {
  return vae ? [checkpoint.path, vae.path] : [checkpoint.path]
}

/** Opens a data folder laid out as A1111's. */
export function openStudio(dataDir: string, settings: StudioSettings = {}): Studio {
  return new Studio(dataDir, settings)
}
