import { StudioError } from '../errors.ts'
import type { GridColors } from '../image/annotatedGrid.ts'
import type { Rgb8 } from '../image/picture.ts'
import { batchesOf } from '../pipeline/batches.ts'
import { type GenerateOptions, generate, type Result } from '../pipeline/generate.ts'
import type { Recipe } from '../pipeline/recipe.ts'
import type { Studio } from '../pipeline/studio.ts'
import type { PictureRequest } from '../pipeline/wire/images.ts'
import { type GenerationInfo, infoOf } from '../pipeline/wire/info.ts'
import { type Options, overrideOptions } from '../pipeline/wire/options.ts'
import { recipeFromRequest } from '../pipeline/wire/recipeFromRequest.ts'
import { type CommonFields, type Endpoint, parseImg2Img, parseTxt2Img } from '../pipeline/wire/request.ts'
import type { OutputPicture, TaskProgress } from './processed.ts'

/** A request body as it came, A1111's field names. */
export type Body = Readonly<Record<string, unknown>>

/** A txt2img or img2img request: everything a worker needs to know, as JSON can carry it. */
export interface PictureTask {
  readonly endpoint: Endpoint
  readonly body: Body
  /** Unknown names fall back as the reference's do. */
  readonly lenient: boolean
  /** `floatLiterals` of the body's text. */
  readonly floats: readonly string[]
}

/** Ways to end a task early. */
export type TaskControls = Pick<GenerateOptions, 'signal' | 'interrupt' | 'skip'>

/** What one run of a script's recipe is to do besides painting. */
export interface PaintOptions extends Pick<GenerateOptions, 'facts'> {
  /** The pictures are parts of others: they are neither told of nor saved. */
  readonly isPart?: boolean
}

/** Runs the recipes of one request, one after the other, and counts them. */
export class Painter {
  readonly studio: Studio
  readonly task: PictureTask
  /** The fields of the request that both endpoints have. */
  readonly fields: CommonFields
  /** The options in force, those of the request included. */
  readonly options: Options
  readonly #controls: TaskControls
  /** Passes that are expected, and those that are over. */
  passes = 0
  #done = 0

  constructor(studio: Studio, task: PictureTask, controls: TaskControls) {
    this.studio = studio
    this.task = task
    this.fields = task.endpoint === 'txt2img' ? parseTxt2Img(task.body) : parseImg2Img(task.body)
    this.options = overrideOptions(studio.options, this.fields.override_settings)
    this.#controls = controls
  }

  get isInterrupted(): boolean {
    return this.#controls.interrupt?.aborted === true
  }

  /** The recipe of the request with some fields changed; `pictures` lists prompts and seeds one by one. */
  recipe(
    changes: Body = {},
    pictures?: readonly PictureRequest[],
    floats: readonly string[] = [],
    lenient = this.task.lenient,
  ): Promise<Recipe> {
    const { endpoint, body } = this.task
    const { script_name: _, script_args: __, ...plain } = { ...body, ...changes }
    return recipeFromRequest(plain, endpoint, this.studio, {
      lenient,
      floats: new Set([...this.task.floats, ...floats]),
      ...(pictures && { pictures }),
    })
  }

  /** Paints a recipe. Must not be asked once the task is interrupted: there would be nothing to answer. */
  async *paint(recipe: Recipe, { facts, isPart = false }: PaintOptions = {}): AsyncGenerator<TaskProgress, Result> {
    if (this.isInterrupted) throw new StudioError('cancelled', 'interrupted before the first step')
    const before = this.#done
    this.#done += passesOf(recipe)
    this.passes = Math.max(this.passes, this.#done)
    const run = generate(this.studio, recipe, { ...this.#controls, ...(facts && { facts }) })
    for (;;) {
      const { done, value } = await run.next()
      if (done) return value
      if (value.kind === 'image') {
        if (!isPart) yield { kind: 'picture', recipe, image: value.image }
        continue
      }
      const { batch, pass, step, steps, denoised } = value
      const number = recipe.hires ? batch * 2 + (pass === 'hires' ? 1 : 0) : batch
      yield { kind: 'step', pass: before + number, passes: this.passes, step, steps, denoised }
    }
  }

  /** What a file of this infotext says. */
  told(infotext: string): string | undefined {
    return this.options.enable_pnginfo ? infotext : undefined
  }

  /** Pictures as they go out: each with its infotext, and beside it what is to follow it. */
  outputs({ images }: Result): OutputPicture[] {
    return images.flatMap(({ picture, infotext, byProducts }) => [
      { picture, infotext: this.told(infotext) },
      ...byProducts.flatMap(({ isReturned, picture: beside }) =>
        isReturned ? [{ picture: beside, infotext: undefined }] : [],
      ),
    ])
  }

  /** What a job tells of itself; `infotexts` where those of its pictures are not the ones that go out. */
  info(result: Result, infotexts?: readonly string[]): GenerationInfo {
    const { recipe, images, facts, usesInpaintingConditioning } = result
    return infoOf(
      recipe,
      {
        checkpoint: recipe.checkpoint,
        facts,
        usesInpaintingConditioning,
        infotexts: infotexts ?? images.map(({ infotext }) => infotext),
        jobTime: images[0]?.jobTime ?? new Date(),
      },
      this.fields.denoising_strength,
    )
  }

  /** Colours of grids and of what is written around them. */
  get gridColors(): GridColors {
    const { grid_background_color, grid_text_active_color, grid_text_inactive_color } = this.options
    return { background: grid_background_color, active: grid_text_active_color, inactive: grid_text_inactive_color }
  }

  /** A picture that a script put together. */
  composed({ images: [image], recipe }: Result, picture: Rgb8, infotext: string): TaskProgress {
    if (!image) throw new Error('internal: a composition of nothing')
    return { kind: 'picture', recipe, image: { ...image, picture, infotext, firstPass: undefined, byProducts: [] } }
  }

  /** A grid of pictures, which are counted apart. */
  grid({ images: [image], recipe }: Result, grid: Rgb8, infotext: string, basename: string): TaskProgress {
    if (!image) throw new Error('internal: a grid of nothing')
    return { kind: 'grid', recipe, image: { ...image, infotext }, grid, basename }
  }
}

/** Passes of the sampler: one for each batch, and with hires a second. */
export function passesOf(recipe: Recipe): number {
  return batchesOf(recipe).length * (recipe.hires ? 2 : 1)
}
