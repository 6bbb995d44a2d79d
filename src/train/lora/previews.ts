import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { StudioError } from '../../errors.ts'
import { replaceFile } from '../../files/replaceFile.ts'
import type { WeightEntry } from '../../files/weights.ts'
import { writeSafetensors } from '../../files/writeSafetensors.ts'
import { encodePng } from '../../image/encode.ts'
import { generate } from '../../pipeline/generate.ts'
import type { StudioSettings } from '../../pipeline/studio.ts'
import { recipeFromRequest } from '../../pipeline/wire/recipeFromRequest.ts'
import { type LoneStudio, openAlone } from '../loneStudio.ts'
import type { PreparedRun } from './prepare.ts'
import { type SamplePrompt, samplePrompts } from './samplePrompts.ts'

/** Pictures that show how far a network has come. */
export interface Previews {
  /** Draws every prompt with the network as it is now; `moment` goes into the names of the files, which are given. */
  draw(network: readonly WeightEntry[], moment: string): AsyncGenerator<string>
  dispose(): Promise<void>
}

/** The sampler names of the original's prompts, as the studio calls the same rules. */
const samplers: Readonly<Record<string, string>> = {
  ddim: 'DDIM',
  pndm: 'PLMS',
  lms: 'LMS',
  k_lms: 'LMS',
  euler: 'Euler',
  k_euler: 'Euler',
  euler_a: 'Euler a',
  k_euler_a: 'Euler a',
  heun: 'Heun',
  dpm_2: 'DPM2',
  k_dpm_2: 'DPM2',
  dpm_2_a: 'DPM2 a',
  k_dpm_2_a: 'DPM2 a',
  'dpmsolver++': 'DPM++ 2M',
  dpmsolver: 'DPM++ 2M',
  dpmsingle: 'DPM++ 2S a',
}

/** Previews of a training by its sample prompts; none where it has no prompts. */
export function previewsOf(run: PreparedRun, outputDir: string, folder: string, settings: StudioSettings): Previews {
  const { args } = run
  const wanted =
    args.sample_at_first || args.sample_every_n_epochs !== undefined || args.sample_every_n_steps !== undefined
  const path = args.sample_prompts === undefined ? undefined : resolve(folder, args.sample_prompts)
  if (wanted && path === undefined && args.sample_prompt === undefined) {
    throw new StudioError('bad-request', 'sample_prompts: missing, though previews are wanted', {
      field: 'sample_prompts',
    })
  }
  if (path !== undefined && !existsSync(path)) {
    throw new StudioError('missing-file', `sample_prompts: ${path} does not exist`, { field: 'sample_prompts' })
  }
  const lines = args.sample_prompt ?? ''
  const prompts =
    path === undefined
      ? samplePrompts('sample_prompt', lines, args.sample_sampler)
      : samplePrompts(path, readFileSync(path, 'utf8'), args.sample_sampler)
  for (const { sampler } of prompts) {
    if (Object.hasOwn(samplers, sampler.toLowerCase())) continue
    const known = Object.keys(samplers).join(', ')
    throw new StudioError('unknown-name', `sample_sampler: "${sampler}" is not known; there are ${known}`, {
      field: 'sample_sampler',
    })
  }
  return new PreviewStudio(run, join(outputDir, 'sample'), prompts, settings)
}

/** Draws in a data folder of its own, in which the base model and the network are the only ones. */
class PreviewStudio implements Previews {
  readonly #run: PreparedRun
  readonly #target: string
  readonly #prompts: readonly SamplePrompt[]
  readonly #settings: StudioSettings
  #open: LoneStudio | undefined

  constructor(run: PreparedRun, target: string, prompts: readonly SamplePrompt[], settings: StudioSettings) {
    this.#run = run
    this.#target = target
    this.#prompts = prompts
    this.#settings = settings
  }

  async *draw(network: readonly WeightEntry[], moment: string): AsyncGenerator<string> {
    if (this.#prompts.length === 0) return
    this.#open ??= openAlone(this.#run.base, this.#settings)
    const { folder, studio } = this.#open
    const name = `preview-${moment}`
    const file = join(folder, 'models', 'Lora', `${name}.safetensors`)
    writeSafetensors(file, network)
    const { clip_skip, output_name = 'last' } = this.#run.args
    for (const [i, prompt] of this.#prompts.entries()) {
      const recipe = await recipeFromRequest(
        {
          prompt: `${prompt.prompt} <lora:${name}:1>`,
          negative_prompt: prompt.negativePrompt,
          width: prompt.width,
          height: prompt.height,
          seed: prompt.seed ?? -1,
          steps: prompt.steps,
          cfg_scale: prompt.cfgScale,
          sampler_name: samplers[prompt.sampler.toLowerCase()],
          override_settings: { ...(clip_skip !== undefined && { CLIP_stop_at_last_layers: clip_skip }) },
        },
        'txt2img',
        studio,
      )
      const job = generate(studio, recipe)
      for await (const progress of job) {
        if (progress.kind !== 'image') continue
        const { picture, infotext } = progress.image
        const time = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
        const seed = prompt.seed === undefined ? '' : `_${prompt.seed}`
        const path = join(this.#target, `${output_name}_${moment}_${String(i).padStart(2, '0')}_${time}${seed}.png`)
        replaceFile(path, [await encodePng(picture, { text: [['parameters', infotext]] })])
        yield path
      }
    }
    rmSync(file, { force: true })
  }

  async dispose(): Promise<void> {
    await this.#open?.dispose()
    this.#open = undefined
  }
}
