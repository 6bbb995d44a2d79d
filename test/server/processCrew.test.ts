import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateTask } from '../../src/jobs/generateTask.ts'
import { LocalQueue } from '../../src/jobs/localQueue.ts'
import { runTask } from '../../src/jobs/runTask.ts'
import { recipeFromRequest } from '../../src/pipeline/wire/recipeFromRequest.ts'
import { ProcessCrew } from '../../src/worker/processCrew.ts'
import { goldenStudio } from '../parity/goldenStudio.ts'
import { compiled } from './compiled.ts'

const studio = goldenStudio()
let folder: string
let queue: LocalQueue
const told: string[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-crew-'))
  const crew = new ProcessCrew({
    workers: [{ id: '0', arguments: { dataDir: folder } }],
    entry: pathToFileURL(await compiled('stubWorker')),
    log: (message) => told.push(message),
  })
  queue = await LocalQueue.open({ folder: join(folder, 'jobs'), crew })
})
afterAll(async () => {
  await queue.close()
  rmSync(folder, { recursive: true, force: true })
})

async function task(prompt: string, body: object = {}) {
  const request = { prompt, steps: 2, width: 64, height: 64, seed: 7, ...body }
  return generateTask('txt2img', await recipeFromRequest(request, 'txt2img', studio()), { saving: true })
}

test('a worker that is killed costs its job one retry and no other job anything', async () => {
  const [doomed, next] = [await queue.submit(await task('die')), await queue.submit(await task('a'))]
  const requeued: string[] = []
  queue.subscribe((event) => event.kind === 'requeued' && requeued.push(event.job.id))
  expect(await queue.ended(doomed)).toMatchObject({ state: 'failed', attempts: 2, error: { code: 'crashed' } })
  expect(await queue.ended(next)).toMatchObject({ state: 'done', attempts: 1 })
  expect(requeued).toEqual([doomed.id])
  expect(told.filter((message) => message.includes('SIGKILL'))).toHaveLength(2)
  expect(readdirSync(join(folder, 'outputs', 'txt2img-images'))).toEqual(['00000-7.png'])
})

test('what waits when the queue is closed is done by the next one, and no process is left behind', async () => {
  const running = await queue.submit(await task('slow', { steps: 150, seed: 20 }))
  const waiting = await queue.submit(await task('a', { seed: 21 }))
  await queue.close()
  const crew = new ProcessCrew({
    workers: [{ id: '0', arguments: { dataDir: folder } }],
    entry: pathToFileURL(await compiled('stubWorker')),
  })
  queue = await LocalQueue.open({ folder: join(folder, 'jobs'), crew })
  for (const job of [running, waiting]) expect(await queue.ended(job)).toMatchObject({ state: 'done', attempts: 1 })
  await runTask(queue, await task('a'))
})
