import { encodePng } from '../image/encode.ts'
import type { Picture } from '../image/picture.ts'
import type { StagedPicture } from '../jobs/crew.ts'
import type { MadePicture, ScriptTask } from '../jobs/task.ts'
import { gridFile } from '../pipeline/saveImage.ts'
import type { Studio } from '../pipeline/studio.ts'
import { overrideOptions } from '../pipeline/wire/options.ts'
import { runScript } from '../scripts/index.ts'
import type { OutputPicture, TaskGrid, TaskPicture, TaskStep } from '../scripts/processed.ts'
import { showPreview } from './preview.ts'
import type { JobContext, Runner } from './runner.ts'
import { stageByProducts, stagePlan, stageSaving } from './stagePlan.ts'

/** Runs a script of a request: its pictures are files of the job as soon as they are there, its reply at the end. */
export function scriptRunner(studio: Studio): Runner<'script'> {
  return async (task, context) => {
    studio.optionsFile.refresh()
    const { signal, interrupt, skip } = context
    const stager = new Stager(studio, task, context)
    const running = runScript(studio, task.request, { signal, interrupt, skip })
    let next = await running.next()
    for (; !next.done; next = await running.next()) {
      const event = next.value
      if (event.kind === 'step') await reportStep(studio, task, event, context)
      else if (event.kind === 'grid') await stager.grid(event)
      else await stager.picture(event)
    }
    const { pictures, info, notes } = next.value
    const outputs: string[] = []
    for (const [i, output] of pictures.entries()) outputs.push(await stager.output(output, i))
    return { pictures: stager.made, outputs, info, notes }
  }
}

async function reportStep(
  studio: Studio,
  { preview: { everySteps } }: ScriptTask,
  { pass, passes, step, steps, denoised }: TaskStep,
  { report }: JobContext,
): Promise<void> {
  const isShown = everySteps > 0 && step % everySteps === 0
  const preview = isShown ? await showPreview(studio, denoised) : undefined
  const fraction = Math.min(1, (pass + step / Math.max(steps, 1)) / Math.max(passes, 1))
  report({ kind: 'step', pass: 'first', batch: pass, batches: passes, step, steps, fraction, preview })
}

/** Puts the pictures of a script into the job's folder, each once. */
class Stager {
  readonly made: MadePicture[] = []
  readonly #context: JobContext
  readonly #saves: { readonly pictures: boolean; readonly incomplete: boolean; readonly grids: boolean }
  readonly #studio: Studio
  /** Files of pictures, and whether they carry an infotext. */
  readonly #staged = new Map<Picture, { readonly file: string; readonly isTold: boolean }>()

  constructor(studio: Studio, { request: { body } }: ScriptTask, context: JobContext) {
    this.#context = context
    const overrides = typeof body.override_settings === 'object' ? body.override_settings : {}
    const options = overrideOptions(studio.options, { ...overrides })
    const isWanted = body.save_images === true
    this.#saves = {
      pictures: isWanted && options.samples_save,
      incomplete: options.save_incomplete_images,
      grids: isWanted && options.grid_save,
    }
    this.#studio = studio
  }

  async picture({ recipe, image }: TaskPicture): Promise<void> {
    const index = this.made.length
    const file = await this.#stage(`${index}.png`, image.picture, image.infotext)
    this.#staged.set(image.picture, { file, isTold: true })
    const byProducts = await stageByProducts(image, index, this.#stageFile)
    for (const { kind, picture } of image.byProducts) {
      const made = byProducts.find((each) => each.kind === kind)
      if (made) this.#staged.set(picture, { file: made.file, isTold: false })
    }
    const isSaved = this.#saves.pictures && (!this.#context.interrupt.aborted || this.#saves.incomplete)
    const saving = isSaved ? await stageSaving(this.#studio, recipe, image, index, this.#stageFile) : []
    const about = aboutOf(image.picture, index, recipe.images[image.index]?.seed, image.infotext)
    this.#report({ ...about, byProducts, file, saving })
  }

  async grid({ recipe, image, grid, basename }: TaskGrid): Promise<void> {
    if (!this.#saves.grids) return
    const index = this.made.length
    const file = await this.#stage(`${index}.png`, grid, image.infotext)
    const made = await gridFile(this.#studio, recipe, image, grid, basename)
    const saved = await stagePlan(made, `${index}-grid`, false, this.#stageFile)
    const about = aboutOf(grid, index, recipe.images[image.index]?.seed, image.infotext)
    this.#report({ ...about, file, saving: [saved] })
  }

  /** The file of a picture of the reply. */
  async output({ picture, infotext }: OutputPicture, index: number): Promise<string> {
    const staged = this.#staged.get(picture)
    const isAsTold = staged?.isTold === (infotext !== undefined)
    return staged && isAsTold ? staged.file : this.#stage(`reply-${index}.png`, picture, infotext)
  }

  async #stage(name: string, picture: Picture, infotext: string | undefined): Promise<string> {
    const text = infotext === undefined ? [] : [['parameters', infotext] as const]
    return this.#context.stage(name, await encodePng(picture, { text }))
  }

  readonly #stageFile: JobContext['stage'] = (name, bytes) => this.#context.stage(name, bytes)

  #report(picture: StagedPicture): void {
    const { saving: _, ...made } = picture
    this.made.push(made)
    this.#context.report({ kind: 'picture', picture })
  }
}

function aboutOf({ width, height }: Picture, index: number, seed: number | undefined, infotext: string) {
  return { index, width, height, seed: seed ?? -1, infotext, firstPassFile: undefined, savedPath: undefined }
}
