import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { goldenStudio } from '../../test/parity/goldenStudio.ts'
import { InlineCrew } from '../../test/server/inlineCrew.ts'
import { recipeFromRequest } from '../pipeline/wire/recipeFromRequest.ts'
import { generateTask } from './generateTask.ts'
import type { Job, JobEvent } from './job.ts'
import { Journal } from './journal.ts'
import { LocalQueue, type LocalQueueSettings } from './localQueue.ts'
import { runTask } from './runTask.ts'
import type { GenerateTask } from './task.ts'

const studio = goldenStudio()
let folder: string
let outputs: string
let crew: InlineCrew
let queue: LocalQueue

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-jobs-'))
  outputs = join(folder, 'outputs')
  await open()
})
afterEach(async () => {
  await queue.close()
  rmSync(folder, { recursive: true, force: true })
})

async function open(settings: Partial<LocalQueueSettings> = {}, workers = 1): Promise<void> {
  crew = new InlineCrew(outputs, workers)
  queue = await LocalQueue.open({ folder: join(folder, 'jobs'), crew, ...settings })
}

async function reopen(settings: Partial<LocalQueueSettings> = {}, workers = 1): Promise<void> {
  await queue.close()
  await open(settings, workers)
}

/** A task of the stub engine, which saves its pictures. */
async function task(prompt: string, body: object = {}): Promise<GenerateTask> {
  const request = { prompt, steps: 2, width: 64, height: 64, seed: 7, ...body }
  const recipe = await recipeFromRequest(request, 'txt2img', studio())
  return generateTask('txt2img', recipe, { saving: true })
}

const saved = () => (existsSync(join(outputs, 'txt2img-images')) ? readdirSync(join(outputs, 'txt2img-images')) : [])
const happened = (kind: JobEvent['kind'], id: string) =>
  new Promise<void>((resolve) => {
    const stop = queue.subscribe((event) => {
      if (event.kind !== kind || !('job' in event) || event.job.id !== id) return
      stop()
      resolve()
    })
  })

describe('a job', () => {
  test('is done once, with files that can be had and a picture saved for good', async () => {
    const { id, job, result } = await runTask(queue, await task('a'), { title: 'first', tag: 'mine', user: 'ann' })
    expect(job).toMatchObject({ state: 'done', attempts: 1, user: 'ann', title: 'first', tag: 'mine' })
    expect(result.pictures).toMatchObject([{ seed: 7, savedPath: join(outputs, 'txt2img-images', '00000-7.png') }])
    expect((await queue.file(id, result.pictures[0]!.file)).subarray(1, 4)).toEqual(Buffer.from('PNG'))
    expect(await queue.get(id)).toEqual(job)
    expect(await queue.task(id)).toMatchObject({ kind: 'generate', recipe: { images: [{ seed: 7 }] } })
  })

  test('that is not there is not found, under whatever name', async () => {
    for (const id of ['nobody', '', '../x', 'a'.repeat(5000)]) {
      await expect(queue.get(id)).rejects.toMatchObject({ code: 'not-found' })
      await expect(queue.cancel(id)).rejects.toMatchObject({ code: 'not-found' })
    }
    const { id } = await runTask(queue, await task('a'))
    for (const name of [
      '../../journal.sqlite',
      '1/../../journal.sqlite',
      '1/nothing.png',
      '',
      '1/.png',
      '/etc/passwd',
    ]) {
      await expect(queue.file(id, name)).rejects.toMatchObject({ code: 'not-found' })
    }
  })

  test('fails with its reason, or without one where that is nobody’s business', async () => {
    await expect(runTask(queue, await task('fail'))).rejects.toMatchObject({ code: 'not-a-number' })
    const error = await runTask(queue, await task('bug')).catch((each: Error) => each)
    expect(error).toMatchObject({ code: 'crashed' })
    expect((error as Error).message).not.toContain('secret')
    await runTask(queue, await task('a'))
  })

  test('can be cancelled while it waits and while it runs, and only once', async () => {
    const running = await queue.submit(await task('slow', { steps: 100 }))
    const waiting = await queue.submit(await task('a'))
    await happened('step', running.id)
    for (const job of [waiting, running]) {
      await queue.cancel(job.id)
      expect(await queue.ended(job)).toMatchObject({ state: 'cancelled', error: { code: 'cancelled' } })
      await expect(queue.cancel(job.id)).rejects.toMatchObject({ code: 'conflict' })
    }
    const done = await runTask(queue, await task('a'))
    await expect(queue.cancel(done.id)).rejects.toMatchObject({ code: 'conflict' })
    expect(crew.ran.map(({ jobId }) => jobId)).toEqual([running.id, done.id])
  })

  test('whose caller has hung up is cancelled', async () => {
    const gone = new AbortController()
    const call = runTask(queue, await task('slow', { steps: 100 }), { signal: gone.signal })
    const [job] = await queue.list()
    await happened('step', job!.id)
    gone.abort()
    await expect(call).rejects.toThrow()
    expect((await queue.ended(job!)).state).toBe('cancelled')
  })

  test('that is interrupted is done with what it has', async () => {
    const job = await queue.submit(await task('slow', { steps: 100, n_iter: 3 }))
    await happened('step', job.id)
    await queue.interrupt(job.id)
    expect(await queue.ended(job)).toMatchObject({ state: 'done', result: { isInterrupted: true, pictures: [{}] } })
    await expect(queue.interrupt(job.id)).rejects.toMatchObject({ code: 'conflict' })
  })

  test('whose worker dies is tried once more, and then given up', async () => {
    const events: string[] = []
    queue.subscribe(({ kind }) => kind !== 'step' && events.push(kind))
    const error = runTask(queue, await task('die'))
    await expect(error).rejects.toMatchObject({ code: 'crashed' })
    expect(crew.ran.map(({ attempt }) => attempt)).toEqual([1, 2])
    expect(events).toEqual(['queued', 'started', 'requeued', 'started', 'failed'])
    await runTask(queue, await task('a'))
  })
})

describe('after a restart', () => {
  test('what waited and what ran is done once, and what was for callers that are gone is cancelled', async () => {
    const submit = async (prompt: string, seed: number, onRestart: 'keep' | 'forget' = 'keep') =>
      queue.submit(await task(prompt, { seed, steps: prompt === 'slow' ? 100 : 2 }), { onRestart })
    const jobs = [await submit('slow', 1), await submit('a', 2), await submit('a', 3, 'forget')]
    await happened('step', jobs[0]!.id)
    await reopen()
    const states: Job[] = []
    for (const job of jobs) states.push(await queue.ended(job))
    expect(states.map(({ state, attempts }) => [state, attempts])).toEqual([
      ['done', 1],
      ['done', 1],
      ['cancelled', 0],
    ])
    expect(saved()).toEqual(['00000-1.png', '00001-2.png'])
  })

  test('pictures of an attempt that was lost are taken back, and nothing else is', async () => {
    const job = await queue.submit(await task('slow', { seed: 1, n_iter: 2, steps: 20 }))
    await happened('picture', job.id)
    writeFileSync(join(outputs, 'txt2img-images', 'mine.png'), 'not theirs')
    await reopen()
    expect((await queue.ended(job)).state).toBe('done')
    expect(saved()).toEqual(['00000-1.png', '00001-2.png', 'mine.png'])
  })

  test('a job that goes down with the server again and again lets others go first, and is not lost', async () => {
    await queue.pause()
    const [first, second] = [await queue.submit(await task('a')), await queue.submit(await task('a'))]
    await queue.close()
    const journal = new Journal(join(folder, 'jobs', 'journal.sqlite'))
    for (let i = 0; i < 30; i++) {
      journal.start(first.id, new Date())
      if (i < 29) journal.requeue(first.id, 'lost')
    }
    journal.close()
    await open()
    expect((await queue.list({ states: ['queued'] })).map(({ id }) => id)).toEqual([second.id, first.id])
    await queue.resume()
    expect(await queue.ended(first)).toMatchObject({ state: 'done', attempts: 31 })
    expect(crew.ran.map(({ jobId }) => jobId)).toEqual([second.id, first.id])
  })

  test('a pause holds, and ended jobs are remembered as they were', async () => {
    const { job } = await runTask(queue, await task('a'))
    await queue.pause()
    await reopen()
    expect((await queue.status()).isPaused).toBe(true)
    expect(await queue.get(job.id)).toEqual(job)
    const waiting = await queue.submit(await task('a'))
    expect(crew.ran).toEqual([])
    await queue.resume()
    expect((await queue.ended(waiting)).state).toBe('done')
  })

  test('only as many ended jobs are remembered as are wanted, with their files', async () => {
    await reopen({ remembered: 5 })
    const ids: string[] = []
    for (let i = 0; i < 20; i++) ids.push((await runTask(queue, await task('a'))).id)
    const left = await queue.list()
    expect(left.map(({ id }) => id)).toEqual([...ids].reverse().slice(0, left.length))
    expect(left.length).toBeLessThan(16)
    expect(existsSync(join(folder, 'jobs', ids[0]!))).toBe(false)
    expect(existsSync(join(folder, 'jobs', ids.at(-1)!))).toBe(true)
    expect(saved()).toHaveLength(20)
  })
})

describe('waiting', () => {
  const ids = async () => (await queue.list({ states: ['queued'] })).map(({ id }) => id)

  test('ends at a limit, of all and of one user, with a time to come back', async () => {
    await reopen({ limits: { queued: 3, queuedPerUser: 2 } })
    await queue.pause()
    const submit = async (user: string) => queue.submit(await task('a'), { user })
    await submit('ann')
    await submit('ann')
    await expect(submit('ann')).rejects.toMatchObject({ code: 'busy', retryAfterSeconds: expect.any(Number) })
    await submit('ben')
    await expect(submit('cid')).rejects.toMatchObject({ code: 'busy' })
  })

  test('is in turns between users, and in an order that can be changed', async () => {
    await queue.pause()
    const submit = async (user: string) => (await queue.submit(await task('a'), { user })).id
    const [a, b, c] = [await submit('ann'), await submit('ann'), await submit('ann')]
    const d = await submit('ben')
    expect(await ids()).toEqual([a, d, b, c])
    await queue.move(c!, a)
    expect((await ids()).filter((id) => id !== d)).toEqual([c, a, b])
    await queue.move(c!, undefined)
    expect((await ids()).filter((id) => id !== d)).toEqual([a, b, c])
    await queue.move(b!, a)
    const places = await ids()
    await reopen()
    expect(await ids()).toEqual(places)
    await expect(queue.move('nobody', undefined)).rejects.toMatchObject({ code: 'not-found' })
  })

  test('jobs go to the worker that holds their checkpoint', async () => {
    await reopen({}, 2)
    const on = async (checkpoint: string) => {
      const { id } = await runTask(queue, await task('a', { override_settings: { sd_model_checkpoint: checkpoint } }))
      return crew.ran.find(({ jobId }) => jobId === id)!.workerId
    }
    const one = await on('tiny-sd1')
    const two = await on('tiny-sd2v')
    expect(two).not.toBe(one)
    for (let i = 0; i < 3; i++) expect([await on('tiny-sd1'), await on('tiny-sd2v')]).toEqual([one, two])
  })

  test('hundreds at once all end', async () => {
    await reopen({ limits: { queued: 2000, queuedPerUser: 2000 } }, 4)
    const one = await task('a', { steps: 1 })
    const results = await Promise.all(Array.from({ length: 300 }, () => runTask(queue, { ...one, saving: false })))
    expect(new Set(results.map(({ id }) => id)).size).toBe(300)
    expect(await queue.status()).toMatchObject({ queued: 0, running: 0 })
  })
})

test('a full disk or a folder that is gone fails the job with its reason, and the queue goes on', async () => {
  writeFileSync(outputs, 'where a folder should be')
  await expect(runTask(queue, await task('a'))).rejects.toMatchObject({ code: 'missing-file' })
  rmSync(outputs)
  await runTask(queue, await task('a'))
})
