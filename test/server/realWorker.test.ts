import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Gallery } from '../../src/gallery/gallery.ts'
import { toRgb } from '../../src/image/channels.ts'
import { decodePicture } from '../../src/image/decode.ts'
import { readInfotext } from '../../src/image/readInfotext.ts'
import { generateTask } from '../../src/jobs/generateTask.ts'
import type { JobEvent } from '../../src/jobs/job.ts'
import { LocalQueue } from '../../src/jobs/localQueue.ts'
import { runTask } from '../../src/jobs/runTask.ts'
import { generate } from '../../src/pipeline/generate.ts'
import { openStudio, type Studio } from '../../src/pipeline/studio.ts'
import { recipeFromRequest } from '../../src/pipeline/wire/recipeFromRequest.ts'
import { ErrandRunner } from '../../src/runs/datasetErrand.ts'
import { Runs } from '../../src/runs/runs.ts'
import { createApp } from '../../src/server/app.ts'
import { defaultSettings } from '../../src/server/settings.ts'
import { ProcessCrew } from '../../src/worker/processCrew.ts'
import { dataFolder } from '../parity/dataFolder.ts'

let data: ReturnType<typeof dataFolder>
let folder: string
let studio: Studio
let crew: ProcessCrew
let queue: LocalQueue

beforeAll(async () => {
  data = dataFolder()
  folder = mkdtempSync(join(tmpdir(), 'athanor-queue-'))
  const settings = { gpuNoise: 'cpu', threads: 1 } as const
  studio = openStudio(data.path, settings)
  crew = new ProcessCrew({ workers: [{ id: '0', arguments: { dataDir: data.path, ...settings } }] })
  queue = await LocalQueue.open({ folder, crew, log: console.error })
})
afterAll(async () => {
  await queue.close()
  await studio.close()
  data.remove()
  rmSync(folder, { recursive: true, force: true })
})

const body = { prompt: 'a red car', steps: 4, width: 64, height: 64, seed: 7, batch_size: 2 }
const recipeOf = (more: object = {}) => recipeFromRequest({ ...body, ...more }, 'txt2img', studio)

test('a worker process makes the pictures that the pipeline makes here, tells of the way, and saves them', async () => {
  const recipe = await recipeOf()
  const expected = []
  for await (const event of generate(studio, recipe)) if (event.kind === 'image') expected.push(event.image)

  const events: JobEvent[] = []
  const stop = queue.subscribe((event) => events.push(event))
  const { id, result } = await runTask(queue, generateTask('txt2img', recipe, { saving: true }))
  stop()

  expect(events.map(({ kind }) => kind)).toEqual([
    ...['queued', 'started', 'step', 'step', 'step', 'step', 'picture', 'picture', 'done'],
  ])
  const steps = events.flatMap((event) => (event.kind === 'step' ? [event.job.progress!] : []))
  expect(steps.map(({ fraction }) => fraction)).toEqual([0.25, 0.5, 0.75, 1])
  expect(steps.map(({ preview }) => preview?.number)).toEqual([1, 2, 3, 4])
  const shown = await decodePicture(steps[3]!.preview!.png)
  expect([shown.width, shown.height]).toEqual([steps[3]!.preview!.width, steps[3]!.preview!.height])

  expect(result.pictures.map(({ seed }) => seed)).toEqual([7, 8])
  for (const [i, { file, infotext, savedPath }] of result.pictures.entries()) {
    const bytes = await queue.file(id, file)
    expect(toRgb(await decodePicture(bytes)).data).toEqual(expected[i]!.picture.data)
    expect(infotext).toBe(expected[i]!.infotext)
    expect((await readInfotext(bytes)).infotext).toBe(infotext)
    expect(savedPath?.startsWith(join(data.path, 'outputs', 'txt2img-images'))).toBe(true)
  }
  expect((await queue.status()).workers).toMatchObject([{ state: 'idle', checkpoint: recipe.checkpoint.path }])
})

/** Resolves with the first event of a job that is wanted. */
function eventOf(id: string, isWanted: (event: JobEvent) => boolean): Promise<JobEvent> {
  return new Promise((resolve) => {
    const stop = queue.subscribe((event) => {
      if (!('job' in event) || event.job.id !== id || !isWanted(event)) return
      stop()
      resolve(event)
    })
  })
}

test('cancelling ends a job within a step, and the worker takes the next one', async () => {
  const job = await queue.submit(generateTask('txt2img', await recipeOf({ steps: 150 })))
  await eventOf(job.id, ({ kind }) => kind === 'step')
  const seen: number[] = []
  const stop = queue.subscribe((event) => {
    if (event.kind === 'step' && event.job.id === job.id) seen.push(event.job.progress!.step)
  })
  await queue.cancel(job.id)
  await expect(queue.cancel(job.id)).rejects.toMatchObject({ code: 'conflict' })
  const ended = await queue.ended(job)
  stop()
  expect(ended).toMatchObject({ state: 'cancelled', error: { code: 'cancelled' }, result: undefined })
  expect(seen.length).toBeLessThan(20)
  await expect(queue.cancel(job.id)).rejects.toMatchObject({ code: 'conflict' })
  await runTask(queue, generateTask('txt2img', await recipeOf({ steps: 1 })))
})

test('interrupting ends a job as done with what it has; skipping goes on with the next batch', async () => {
  const recipe = await recipeOf({ steps: 40, n_iter: 3, batch_size: 1 })
  const job = await queue.submit(generateTask('txt2img', recipe))
  await eventOf(job.id, ({ kind }) => kind === 'step')
  await queue.skip(job.id)
  await eventOf(job.id, (event) => event.kind === 'step' && event.job.progress!.batch === 1)
  await queue.interrupt(job.id)
  const ended = await queue.ended(job)
  expect(ended.state).toBe('done')
  expect(ended.result).toMatchObject({ isInterrupted: true, pictures: [{ index: 0 }, { index: 1 }] })
})

test('what a worker cannot do fails with its reason and leaves it working', async () => {
  const recipe = await recipeOf()
  const missing = { ...recipe, checkpoint: { ...recipe.checkpoint, path: join(data.path, 'nowhere.safetensors') } }
  await expect(runTask(queue, generateTask('txt2img', missing))).rejects.toMatchObject({ code: 'missing-file' })
  await runTask(queue, generateTask('txt2img', await recipeOf({ steps: 1 })))
})

test('a health check takes less than 20 ms while a picture is being made', async () => {
  const gallery = new Gallery(join(folder, 'gallery.sqlite'), () => [])
  const runs = new Runs({ dataDir: data.path, threads: 1, gpuNoise: 'cpu', machineLock: join(folder, 'training.lock') })
  const errands = new ErrandRunner()
  const services = { queue, studio, gallery, runs, errands, settings: defaultSettings, shutDown: () => undefined }
  const app = await createApp(services, pino({ level: 'silent' }))
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  /** The middle of forty times, in milliseconds. */
  const checked = async () => {
    const times: number[] = []
    for (let i = 0; i < 40; i++) {
      const start = performance.now()
      expect((await fetch(`${address}/healthz`)).status).toBe(200)
      times.push(performance.now() - start)
    }
    return times.sort((a, b) => a - b)[20]!
  }
  const idle = await checked()
  const job = await queue.submit(generateTask('txt2img', await recipeOf({ steps: 150 })))
  await eventOf(job.id, ({ kind }) => kind === 'step')
  const busy = await checked()
  // It was under way from the first to the last of them.
  expect((await queue.get(job.id)).state).toBe('running')
  await queue.cancel(job.id)
  await queue.ended(job)
  // Where other programs have the machine, what they take is seen without a picture as well.
  expect(busy).toBeLessThan(Math.max(20, 3 * idle))
  await app.close()
  gallery.close()
})
