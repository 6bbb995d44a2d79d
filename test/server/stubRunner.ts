import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { StudioError } from '../../src/errors.ts'
import { encodePng } from '../../src/image/encode.ts'
import { filled } from '../../src/image/picture.ts'
import type { MadePicture } from '../../src/jobs/task.ts'
import type { Runner, Runners } from '../../src/worker/runner.ts'

/**
 * An engine that computes nothing: pictures of one colour, told by their seeds, a millisecond or so for each step. Prompts
 * say what is to happen: `slow` takes 20 ms a step, `fail` fails, `bug` breaks, `die` is the end of its process.
 */
export function stubRunner(outputs: string, die: () => void): Runner<'generate'> {
  return async ({ recipe, saving }, { signal, interrupt, skip, report, stage }) => {
    const { images, batchSize, pass } = recipe
    const jobTime = new Date()
    const prompt = images[0]!.prompt
    const pictures: MadePicture[] = []
    const batches = Math.ceil(images.length / batchSize)
    const checkCancelled = () => {
      if (signal.aborted) throw new StudioError('cancelled', 'stopped on request')
    }
    for (let batch = 0; batch < batches && !interrupt.aborted; batch++) {
      for (let step = 1; step <= pass.steps && !interrupt.aborted && !skip.isMade; step++) {
        await setTimeout(prompt.includes('slow') ? 20 : 1)
        checkCancelled()
        const fraction = (batch + step / pass.steps) / batches
        report({ kind: 'step', pass: 'first', batch, batches, step, steps: pass.steps, fraction, preview: undefined })
        if (prompt.includes('die')) die()
        if (prompt.includes('fail')) throw new StudioError('not-a-number', 'the model answered with no numbers')
        if (prompt.includes('bug')) throw new Error(`internal: a secret of ${outputs}`)
      }
      skip.isMade = false
      for (const [i, { seed }] of images.slice(batch * batchSize, (batch + 1) * batchSize).entries()) {
        const index = batch * batchSize + i
        const infotext = `${prompt}\nSteps: ${pass.steps}, Sampler: Stub, Seed: ${seed}, Size: 8x8, Model: stub`
        const color = [seed & 255, (seed >> 8) & 255, 99]
        const png = await encodePng(filled(3, 8, 8, color), { text: [['parameters', infotext]] })
        const file = await stage(`${index}.png`, png)
        const picture = {
          index,
          width: 8,
          height: 8,
          seed,
          infotext,
          file,
          firstPassFile: undefined,
          savedPath: undefined,
        }
        pictures.push(picture)
        const plan = {
          file,
          directory: join(outputs, 'txt2img-images'),
          basename: '',
          name: String(seed),
          extension: 'png',
        }
        const plans = saving ? [{ ...plan, isNumbered: true, companions: [], isPicture: true }] : []
        report({ kind: 'picture', picture: { ...picture, saving: plans } })
      }
      checkCancelled()
    }
    return {
      pictures,
      checkpoint: recipe.checkpoint,
      facts: new Map(),
      usesInpaintingConditioning: false,
      isInterrupted: interrupt.aborted,
      jobTime,
    }
  }
}

/** Runners of a worker of which nothing but pictures is asked. */
export function stubRunners(outputs: string, die: () => void): Runners {
  const none = async () => {
    throw new Error('the stub engine makes pictures only')
  }
  return { generate: stubRunner(outputs, die), script: none, postprocess: none }
}
