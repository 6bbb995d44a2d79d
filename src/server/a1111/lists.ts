import { existsSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { type SamplerInfo, samplers } from '../../diffusion/samplers/index.ts'
import { findSchedule, scheduleList } from '../../diffusion/schedules.ts'
import { openWeights } from '../../files/openWeights.ts'
import { readSidecars } from '../../files/sidecars.ts'
import { openNetwork } from '../../lora/network.ts'
import { detectModel } from '../../models/detect.ts'
import { detectUpscaler } from '../../models/esrgan.ts'
import type { CatalogEntry } from '../../pipeline/catalog.ts'
import { readEmbedding } from '../../pipeline/embeddingFile.ts'
import { checkpointTitle } from '../../pipeline/findCheckpoint.ts'
import { latentUpscalers } from '../../pipeline/latentUpscale.ts'
import { builtInUpscalers } from '../../pipeline/library.ts'
import type { Studio } from '../../pipeline/studio.ts'
import { readEmbeddingFacts } from '../../pipeline/writeEmbedding.ts'

/** What `GET /sdapi/v1/samplers` answers: flags are Python's words for them. */
export function samplerList() {
  return samplers.map((sampler) => ({
    name: sampler.label,
    aliases: sampler.aliases,
    options: Object.fromEntries(samplerOptions(sampler)),
  }))
}

function* samplerOptions(sampler: SamplerInfo): Generator<readonly [string, string]> {
  const scheduler = scheduleList.find(({ label }) => label === sampler.schedule)
  if (scheduler) yield ['scheduler', scheduler.name]
  if (sampler.discardsPenultimate) yield ['discard_next_to_last_sigma', 'True']
  if (sampler.tellsSeedDelta) yield ['uses_ensd', 'True']
  if (sampler.callsPerStep === 2) yield ['second_order', 'True']
  if (sampler.isBrownian) yield ['brownian_noise', 'True']
  if (sampler.label.endsWith('SDE Heun')) yield ['solver_type', 'heun']
}

/** Spacings that ask the model at which levels it was trained. */
const modelled: ReadonlySet<string | undefined> = new Set(
  ['uniform', 'sgm_uniform', 'simple', 'normal', 'ddim', 'beta'].map(findSchedule),
)

export function schedulerList() {
  const automatic = { name: 'automatic', label: 'Automatic', aliases: null, default_rho: -1, need_inner_model: false }
  const rest = scheduleList.map(({ label, name, alias, rho }) => ({
    name,
    label,
    aliases: alias === undefined ? null : [alias],
    default_rho: rho ?? -1,
    need_inner_model: modelled.has(label),
  }))
  return [automatic, ...rest]
}

export function latentModeList() {
  return [...latentUpscalers.keys()].map((name) => ({ name }))
}

/** Upscalers that need no file, and those of the data folder. */
export function upscalerList({ library }: Studio) {
  const none = { model_name: null, model_path: null, model_url: null, scale: 4 }
  return [
    ...builtInUpscalers.map((name) => ({ name, ...none })),
    ...library.upscalers().map(({ stem, path }) => ({
      name: stem,
      model_name: stem,
      model_path: path,
      model_url: null,
      scale: scaleOf(path),
    })),
  ]
}

/** The factor of an upscaler; 4 is what most have. */
function scaleOf(path: string): number {
  try {
    return detectUpscaler(openWeights(path)).scale
  } catch {
    return 4
  }
}

export function realEsrganList({ library }: Studio) {
  return library.upscalers().map(({ stem, path }) => ({ name: stem, path, scale: scaleOf(path) }))
}

export function checkpointList({ library }: Studio) {
  return library.checkpoints().map((file) => ({
    title: checkpointTitle(file),
    model_name: withoutExtension(file.relativePath).replaceAll('/', '_'),
    hash: file.sha256?.slice(0, 10) ?? null,
    sha256: file.sha256 ?? null,
    filename: file.path,
    config: configBeside(file),
  }))
}

function withoutExtension(path: string): string {
  return path.replace(/\.(safetensors|ckpt)$/i, '')
}

function configBeside({ path }: CatalogEntry): string | null {
  const yaml = `${path.slice(0, path.length - extname(path).length)}.yaml`
  return existsSync(yaml) ? yaml : null
}

export function vaeList({ library }: Studio) {
  return library.vaes().map(({ path }) => ({ model_name: basename(path), filename: path }))
}

export function styleList(studio: Studio) {
  return studio.styles().map(({ name, prompt, negativePrompt }) => ({ name, prompt, negative_prompt: negativePrompt }))
}

/** Networks with what their trainers wrote into them, JSON texts taken apart as the reference does. */
export function loraList({ library }: Studio) {
  return library.networks().flatMap(({ path, stem }) => {
    try {
      const { alias, metadata } = openNetwork(openWeights(path))
      const entries = [...metadata].map(([key, value]) => [key, plainValue(value)])
      return [{ name: stem, alias, path, metadata: Object.fromEntries(entries) }]
    } catch {
      return [{ name: stem, alias: stem, path, metadata: {} }]
    }
  })
}

/** Objects and lists written as JSON; numbers and words stay texts. */
export function plainValue(value: string): unknown {
  if (!/^\s*[[{]/.test(value)) return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

/** Embeddings of the data folder, apart those that the checkpoint in use has no use for. */
export async function embeddingList(studio: Studio) {
  const { library } = studio
  const width = textWidth(studio)
  const loaded: Record<string, EmbeddingReply> = {}
  const skipped: Record<string, EmbeddingReply> = {}
  for (const { stem, path } of library.embeddings()) {
    const read = await readEmbedding({ name: stem, path, isBundled: false }).catch(() => undefined)
    if (!read) continue
    const [vectors = 0, own = 0] = read.vectors.shape
    const shape = own + (read.vectorsG?.shape[1] ?? 0)
    const { step, checkpointHash, checkpointName } = readEmbeddingFacts(path)
    const about = {
      step,
      sd_checkpoint: checkpointHash,
      sd_checkpoint_name: checkpointName,
      shape,
      vectors,
    }
    if (width === undefined || width === shape) loaded[read.name] = about
    else skipped[read.name] = about
  }
  return { loaded, skipped }
}

/** How wide the token vectors of the checkpoint in use are; undefined where there is none to ask. */
function textWidth(studio: Studio): number | undefined {
  try {
    const { identity } = studio.library.checkpoint(studio.options.sd_model_checkpoint ?? '', 'sd_model_checkpoint')
    return detectModel(openWeights(identity.path), readSidecars(identity.path)).config.text.width
  } catch {
    return undefined
  }
}

interface EmbeddingReply {
  readonly step: number | null
  readonly sd_checkpoint: string | null
  readonly sd_checkpoint_name: string | null
  readonly shape: number
  readonly vectors: number
}
