import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FleetQueue, type FleetQueueSettings } from '../../src/jobs/fleet/fleetQueue.ts'
import { Hand } from '../../src/jobs/fleet/hand.ts'
import { generateTask } from '../../src/jobs/generateTask.ts'
import type { Job, JobEvent } from '../../src/jobs/job.ts'
import { FolderFiles } from '../../src/jobs/jobFiles.ts'
import { runTask } from '../../src/jobs/runTask.ts'
import type { GenerateTask } from '../../src/jobs/task.ts'
import { recipeFromRequest } from '../../src/pipeline/wire/recipeFromRequest.ts'
import { goldenStudio } from '../parity/goldenStudio.ts'
import { InlineCrew } from '../server/inlineCrew.ts'
import { hasRedis, RedisServer } from './redisServer.ts'
import { silence } from './silence.ts'

const studio = goldenStudio()
let server: RedisServer
let folder: string
let outputs: string
let queue: FleetQueue
let closing: (() => Promise<void>)[]
const lease = { seconds: 4 }

describe.skipIf(!hasRedis)('a queue of several machines', () => {
  beforeAll(async () => {
    server = await RedisServer.start()
  })
  afterAll(() => server.remove())
  beforeEach(async () => {
    const redis = new Redis(server.url)
    await redis.flushall()
    redis.disconnect()
    folder = mkdtempSync(join(tmpdir(), 'athanor-fleet-'))
    outputs = join(folder, 'outputs')
    closing = []
    queue = await openQueue()
  })
  afterEach(async () => {
    for (const close of closing.reverse()) await close()
    rmSync(folder, { recursive: true, force: true })
  })

  const files = () => new FolderFiles(join(folder, 'jobs'))
  const told: string[] = []
  const settings = () => ({
    url: server.url,
    dataDir: studio().dataDir,
    lease,
    log: (message: string, error: unknown) => told.push(`${message}: ${error}`),
  })

  async function openQueue(more: Partial<FleetQueueSettings> = {}): Promise<FleetQueue> {
    const opened = await FleetQueue.open({ redis: settings(), files: files(), ...more })
    closing.push(() => opened.close())
    return opened
  }

  async function openHand(workers = 1) {
    const crew = new InlineCrew(outputs, workers)
    const hand = await Hand.open({ redis: settings(), crew, files: files(), remembered: 20 })
    closing.push(() => hand.close())
    return { hand, crew }
  }

  async function task(prompt: string, body: object = {}): Promise<GenerateTask> {
    const request = { prompt, steps: 2, width: 64, height: 64, seed: 7, ...body }
    return generateTask('txt2img', await recipeFromRequest(request, 'txt2img', studio()), { saving: true })
  }

  const saved = () => (existsSync(join(outputs, 'txt2img-images')) ? readdirSync(join(outputs, 'txt2img-images')) : [])
  const happened = (kind: JobEvent['kind'], id: string, on = queue) =>
    new Promise<void>((resolve) => {
      const stop = on.subscribe((event) => {
        if (event.kind !== kind || !('job' in event) || event.job.id !== id) return
        stop()
        resolve()
      })
    })

  test('a job is done once, with its way told, files that can be had and a picture saved for good', async () => {
    await openHand()
    const events: JobEvent[] = []
    const stop = queue.subscribe((event) => events.push(event))
    const options = { title: 'first', tag: 'mine', user: 'ann' }
    const wanted = await task('a')
    const { id, job, result } = await runTask(queue, wanted, options)
    stop()
    expect(events.map(({ kind }) => kind)).toEqual(['queued', 'started', 'step', 'step', 'picture', 'done'])
    const steps = events.flatMap((event) => (event.kind === 'step' ? [event.job.progress?.fraction] : []))
    expect(steps).toEqual([0.5, 1])
    expect(job).toMatchObject({ state: 'done', attempts: 1, user: 'ann', title: 'first', tag: 'mine' })
    expect(job.startedAt).toBeInstanceOf(Date)
    expect(result.pictures).toMatchObject([{ seed: 7, savedPath: join(outputs, 'txt2img-images', '00000-7.png') }])
    expect((await queue.file(id, result.pictures[0]!.file)).subarray(1, 4)).toEqual(Buffer.from('PNG'))
    expect(await queue.get(id)).toEqual(job)
    expect(await queue.task(id)).toEqual(wanted)
    expect(await queue.list()).toEqual([job])
  })

  test('what is not there is not found, under whatever name', async () => {
    await openHand()
    for (const id of ['nobody', '', '../x', 'meta', 'a'.repeat(5000)]) {
      await expect(queue.get(id)).rejects.toMatchObject({ code: 'not-found' })
      await expect(queue.cancel(id)).rejects.toMatchObject({ code: 'not-found' })
    }
    const { id } = await runTask(queue, await task('a'))
    for (const name of ['../../x', '1/../../x', '1/nothing.png', '', '/etc/passwd']) {
      await expect(queue.file(id, name)).rejects.toMatchObject({ code: 'not-found' })
    }
  })

  test('jobs fail with their reasons, and a worker that dies costs one retry', async () => {
    const { crew } = await openHand()
    await expect(runTask(queue, await task('fail'))).rejects.toMatchObject({ code: 'not-a-number' })
    const error = await runTask(queue, await task('bug')).catch((each: Error) => each)
    expect(error).toMatchObject({ code: 'crashed' })
    expect((error as Error).message).not.toContain('secret')
    const events: string[] = []
    queue.subscribe((event) => {
      if ('job' in event && event.job.title === 'die' && event.kind !== 'step') events.push(event.kind)
    })
    const before = crew.ran.length
    await expect(runTask(queue, await task('die'))).rejects.toMatchObject({ code: 'crashed' })
    expect(crew.ran.slice(before).map(({ attempt }) => attempt)).toEqual([1, 2])
    expect(events).toEqual(['queued', 'started', 'requeued', 'started', 'failed'])
  })

  test('jobs are cancelled while they wait and while they run, once, whichever server is asked', async () => {
    const { crew } = await openHand()
    const other = await openQueue()
    const running = await queue.submit(await task('slow', { steps: 100 }))
    const waiting = await queue.submit(await task('a'))
    await happened('step', running.id)
    for (const job of [waiting, running]) {
      await other.cancel(job.id)
      expect(await queue.ended(job)).toMatchObject({ state: 'cancelled', error: { code: 'cancelled' } })
      await expect(queue.cancel(job.id)).rejects.toMatchObject({ code: 'conflict' })
    }
    expect(await queue.get(waiting.id)).toMatchObject({ attempts: 0, startedAt: undefined })
    const done = await runTask(queue, await task('a'))
    await expect(other.cancel(done.id)).rejects.toMatchObject({ code: 'conflict' })
    expect(crew.ran.map(({ jobId }) => jobId)).toEqual([running.id, done.id])
  })

  test('cancelling twice is a conflict, and a waiting job can be cancelled during a pause', async () => {
    await openHand()
    const running = await queue.submit(await task('slow', { steps: 1000 }))
    await happened('step', running.id)
    const [first, second] = await Promise.allSettled([queue.cancel(running.id), queue.cancel(running.id)])
    expect([first?.status, second?.status].sort()).toEqual(['fulfilled', 'rejected'])
    await queue.ended(running)
    await queue.pause()
    const waiting = await queue.submit(await task('a'))
    await queue.cancel(waiting.id)
    expect((await queue.ended(waiting)).state).toBe('cancelled')
    expect((await queue.status()).queued).toBe(0)
  })

  test('a job that is interrupted is done with what it has; one that waits cannot be', async () => {
    await openHand()
    const job = await queue.submit(await task('slow', { steps: 100, n_iter: 3 }))
    const waiting = await queue.submit(await task('a'))
    await happened('step', job.id)
    await expect(queue.interrupt(waiting.id)).rejects.toMatchObject({ code: 'conflict' })
    await queue.interrupt(job.id)
    expect(await queue.ended(job)).toMatchObject({ state: 'done', result: { isInterrupted: true, pictures: [{}] } })
    await expect(queue.interrupt(job.id)).rejects.toMatchObject({ code: 'conflict' })
  })

  test('a call whose caller has hung up is cancelled', async () => {
    await openHand()
    const gone = new AbortController()
    const started = new Promise<void>((resolve) => queue.subscribe(({ kind }) => kind === 'step' && resolve()))
    const call = runTask(queue, await task('slow', { steps: 1000 }), { signal: gone.signal })
    await started
    const [job] = await queue.list()
    gone.abort()
    await expect(call).rejects.toThrow()
    expect((await queue.ended(job!)).state).toBe('cancelled')
  })

  test('two servers see the same queue, and each hears what the other is asked', async () => {
    const other = await openQueue()
    await queue.pause()
    expect((await other.status()).isPaused).toBe(true)
    const { crew } = await openHand()
    const job = await queue.submit(await task('a'))
    expect(await other.get(job.id)).toMatchObject({ state: 'queued', ahead: 0 })
    expect(await other.list()).toMatchObject([{ id: job.id }])
    const ended = other.ended(job)
    const events: string[] = []
    other.subscribe(({ kind }) => events.push(kind))
    expect(crew.ran).toEqual([])
    await other.resume()
    expect((await ended).state).toBe('done')
    expect(events).toEqual(['resumed', 'started', 'step', 'step', 'picture', 'done'])
    expect(await queue.list({ states: ['done'] })).toEqual(await other.list({ states: ['done'] }))
  })

  test('waiting ends at a limit, of all and of one user, with a time to come back', async () => {
    const limited = await openQueue({ limits: { queued: 3, queuedPerUser: 2 } })
    const submit = async (user: string) => limited.submit(await task('a'), { user })
    await submit('ann')
    await submit('ann')
    await expect(submit('ann')).rejects.toMatchObject({ code: 'busy', retryAfterSeconds: expect.any(Number) })
    await submit('ben')
    await expect(submit('cid')).rejects.toMatchObject({ code: 'busy' })
  })

  test('users take turns, in an order that can be changed', async () => {
    await queue.pause()
    const ids = async () => (await queue.list({ states: ['queued'] })).map(({ id }) => id)
    const submit = async (user: string) => (await queue.submit(await task('a'), { user })).id
    const [a, b, c] = [await submit('ann'), await submit('ann'), await submit('ann')]
    const d = await submit('ben')
    expect(await ids()).toEqual([a, d, b, c])
    await queue.move(c, a)
    expect((await ids()).filter((id) => id !== d)).toEqual([c, a, b])
    await queue.move(c, undefined)
    expect((await ids()).filter((id) => id !== d)).toEqual([a, b, c])
    await expect(queue.move('nobody', undefined)).rejects.toMatchObject({ code: 'not-found' })
    await queue.move(b, a)
    const { crew } = await openHand()
    const last = await queue.get(c)
    await queue.resume()
    await queue.ended(last)
    expect(crew.ran.map(({ jobId }) => jobId)).toEqual([b, d, a, c])
    await expect(queue.move(a, undefined)).rejects.toMatchObject({ code: 'conflict' })
  })

  test('jobs go to the machine that holds their checkpoint', async () => {
    const machines = [await openHand(), await openHand()]
    const on = async (checkpoint: string) => {
      const { id } = await runTask(queue, await task('a', { override_settings: { sd_model_checkpoint: checkpoint } }))
      return machines.findIndex(({ crew }) => crew.ran.some(({ jobId }) => jobId === id))
    }
    const places = new Set<string>()
    await queue.pause()
    const jobs: Job[] = []
    for (let i = 0; i < 12; i++) {
      const checkpoint = i % 2 === 0 ? 'tiny-sd1' : 'tiny-sd2v'
      jobs.push(
        await queue.submit(await task('slow', { steps: 5, override_settings: { sd_model_checkpoint: checkpoint } })),
      )
    }
    await queue.resume()
    for (const job of jobs) await queue.ended(job)
    // Once each machine holds one of the two, it is given that one.
    for (const { crew } of machines) {
      const kinds = crew.ran.map(({ jobId }) => jobs.findIndex(({ id }) => id === jobId) % 2)
      const changes = kinds.filter((kind, i) => i > 0 && kind !== kinds[i - 1]).length
      expect(changes).toBeLessThanOrEqual(2)
    }
    expect(places.size).toBe(0)
    expect(await on('tiny-sd1')).toBeGreaterThanOrEqual(0)
  })

  test('a machine that falls silent loses its job to another, and what it still makes of it is dropped', async () => {
    const { hand, crew } = await openHand()
    const job = await queue.submit(await task('slow', { steps: 100, n_iter: 6, seed: 1 }))
    await happened('picture', job.id)
    writeFileSync(join(outputs, 'txt2img-images', 'mine.png'), 'not theirs')
    silence(hand)
    const second = await openHand()
    await happened('requeued', job.id)
    const ended = await queue.ended(job)
    expect(ended).toMatchObject({ state: 'done', attempts: 2, error: undefined })
    expect(second.crew.ran.concat(crew.ran).filter(({ jobId }) => jobId === job.id)).toHaveLength(2)
    await setTimeout(1500)
    expect((await queue.list({ states: ['done'] })).length).toBe(1)
    expect(saved()).toContain('mine.png')
    expect(told.some((line) => line.includes('is dropped') || line.includes('another machine'))).toBe(true)
  })

  test('a machine that is closed leaves its job to others, without counting the attempt', async () => {
    const { hand } = await openHand()
    const job = await queue.submit(await task('slow', { steps: 60, seed: 1 }))
    await happened('step', job.id)
    await hand.close()
    expect(await queue.get(job.id)).toMatchObject({ state: 'queued', attempts: 0 })
    await openHand()
    expect(await queue.ended(job)).toMatchObject({ state: 'done', attempts: 1 })
    expect(saved()).toEqual(['00000-1.png'])
  })

  test('what was for the callers of a server that is gone is cancelled, and all else is done', async () => {
    const other = await openQueue()
    const forgotten = await other.submit(await task('a'), { onRestart: 'forget' })
    const kept = await other.submit(await task('a'))
    await other.close()
    await openHand()
    expect(await queue.ended(forgotten)).toMatchObject({ state: 'cancelled', attempts: 0 })
    expect((await queue.ended(kept)).state).toBe('done')
  })

  test('only as many ended jobs are remembered as are wanted, with their files', async () => {
    await openHand()
    const ids: string[] = []
    for (let i = 0; i < 45; i++) ids.push((await runTask(queue, await task('a', { steps: 1 }))).id)
    await setTimeout(500)
    const left = await queue.list()
    expect(left.length).toBeLessThan(31)
    expect(existsSync(join(folder, 'jobs', ids[0]!))).toBe(false)
    expect(existsSync(join(folder, 'jobs', ids.at(-1)!))).toBe(true)
    await expect(queue.get(ids[0]!)).rejects.toMatchObject({ code: 'not-found' })
  })

  test('hundreds at once on several machines all end, each once', async () => {
    const machines = [await openHand(2), await openHand(2)]
    const one = await task('a', { steps: 1 })
    const results = await Promise.all(Array.from({ length: 200 }, () => runTask(queue, { ...one, saving: false })))
    expect(new Set(results.map(({ id }) => id)).size).toBe(200)
    expect(machines.flatMap(({ crew }) => crew.ran)).toHaveLength(200)
    expect(await queue.status()).toMatchObject({ queued: 0, running: 0 })
  })

  test('a Redis that is gone is told soon, and once it is back everything goes on', async () => {
    await openHand()
    const running = await queue.submit(await task('slow', { steps: 60, seed: 1 }))
    const waiting = await queue.submit(await task('a', { seed: 2 }))
    await happened('step', running.id)
    const ended = queue.ended(running)
    await server.kill()
    const asked = Date.now()
    await expect(queue.submit(await task('a'))).rejects.toMatchObject({ code: 'unreachable' })
    expect(Date.now() - asked).toBeLessThan(15_000)
    await server.start()
    expect((await ended).state).toBe('done')
    expect((await queue.ended(waiting)).state).toBe('done')
    expect(saved().length).toBe(2)
  })
})
