import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readInfotext } from '../../src/image/readInfotext.ts'
import { dataFolder } from '../parity/dataFolder.ts'
import { compiled } from '../server/compiled.ts'
import { hasRedis, RedisServer } from './redisServer.ts'

// A few instants in every run; ATHANOR_KILLS=200 takes its time.
const kills = Number(process.env.ATHANOR_KILLS ?? 6)

/** A process of the fleet. */
interface Machine {
  readonly child: ChildProcess
  /** A server's address. */
  readonly url: string
}

interface SeenJob {
  readonly id: string
  readonly state: string
  readonly tag: string
  readonly attempts: number
  readonly progress: { readonly fraction: number } | null
  readonly pictures: readonly { readonly url: string; readonly imageId: string | null }[]
  readonly error: { readonly code: string } | null
}

// Each machine is a process that takes its time to start.
describe.skipIf(!hasRedis)('machines that are killed', { timeout: 1_200_000 }, () => {
  let redis: RedisServer
  let data: ReturnType<typeof dataFolder>
  let program: string
  let stub: string
  let machines: Machine[]
  let seed: number
  let started = 0

  beforeAll(async () => {
    program = await compiled('fleetNode')
    stub = await compiled('stubWorker')
  })
  beforeEach(async () => {
    redis = await RedisServer.start()
    data = dataFolder()
    machines = []
    seed = 0
  })
  afterEach(async () => {
    for (const machine of machines) await kill(machine)
    await redis.remove()
    data.remove()
  })

  async function start(role: 'server' | 'worker'): Promise<Machine> {
    const cache = join(data.path, `cache-${++started}`)
    const child = spawn(process.execPath, [program, role, data.path, redis.url, stub, cache], {
      stdio: ['ignore', 'pipe', 2],
    })
    let output = ''
    for await (const chunk of child.stdout!) {
      output += String(chunk)
      if (!output.includes('\n')) continue
      const machine = { child, url: output.trim() }
      machines.push(machine)
      return machine
    }
    throw new Error(`a ${role} ended before it was up`)
  }

  async function kill({ child }: Machine): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  async function submit({ url }: Machine, request: object): Promise<SeenJob | undefined> {
    const own = ++seed
    const body = { prompt: 'a', steps: 3, width: 64, height: 64, n_iter: 2, ...request, seed: own * 10 }
    const reply = await fetch(`${url}/api/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ endpoint: 'txt2img', tag: String(own), request: body }),
    })
    return reply.status === 201 ? ((await reply.json()) as SeenJob) : undefined
  }

  async function seen({ url }: Machine, id: string): Promise<SeenJob> {
    return (await (await fetch(`${url}/api/v1/jobs/${id}`)).json()) as SeenJob
  }

  async function until(machine: Machine, id: string, isSo: (job: SeenJob) => boolean): Promise<SeenJob> {
    for (;;) {
      const job = await seen(machine, id)
      if (isSo(job)) return job
      await setTimeout(50)
    }
  }

  const isEnded = ({ state }: SeenJob) => ['done', 'failed', 'cancelled'].includes(state)

  /** Seeds of all saved pictures. */
  async function savedSeeds(): Promise<readonly number[]> {
    const folder = join(data.path, 'outputs', 'txt2img-images')
    const seeds: number[] = []
    for (const file of existsSync(folder) ? readdirSync(folder) : []) {
      const { infotext } = await readInfotext(readFileSync(join(folder, file)))
      seeds.push(Number(/Seed: (\d+)/.exec(infotext ?? '')?.[1]))
    }
    return seeds.sort((a, b) => a - b)
  }

  test('a worker machine killed in the middle of a job costs it one retry, and its pictures are there once', async () => {
    const [server, doomed] = await Promise.all([start('server'), start('worker')])
    const job = await submit(server, { prompt: 'slow', steps: 150, n_iter: 4 })
    // One picture is saved already when the end comes.
    await until(server, job!.id, ({ progress }) => (progress?.fraction ?? 0) > 0.3)
    await kill(doomed)
    await start('worker')
    const ended = await until(server, job!.id, isEnded)
    expect(ended).toMatchObject({ state: 'done', attempts: 2 })
    expect(await savedSeeds()).toEqual([10, 11, 12, 13])
    for (const { url, imageId } of ended.pictures) {
      expect((await fetch(`${server.url}${url}`)).status).toBe(200)
      expect((await fetch(`${server.url}/api/v1/images/${imageId}/file`)).status).toBe(200)
    }
  })

  test('a job whose machine dies twice is given up', async () => {
    const server = await start('server')
    const job = await submit(server, { prompt: 'slow', steps: 150, n_iter: 8 })
    for (let i = 0; i < 2; i++) {
      const doomed = await start('worker')
      await until(server, job!.id, ({ state, attempts }) => state === 'running' && attempts === i + 1)
      await kill(doomed)
    }
    await start('worker')
    expect(await until(server, job!.id, isEnded)).toMatchObject({ state: 'failed', error: { code: 'crashed' } })
    expect(await savedSeeds()).toEqual([])
  })

  test('a server killed after it has accepted jobs is missed by nobody: others show what came of them', async () => {
    const [doomed, other] = await Promise.all([start('server'), start('server'), start('worker')])
    const jobs: SeenJob[] = []
    for (let i = 0; i < 5; i++) jobs.push((await submit(doomed, { prompt: 'slow', steps: 10 }))!)
    await kill(doomed)
    for (const { id, tag } of jobs) {
      expect(await until(other, id, isEnded)).toMatchObject({ state: 'done', attempts: 1, tag })
    }
    expect(await savedSeeds()).toEqual([10, 11, 20, 21, 30, 31, 40, 41, 50, 51])
  })

  test('each of two servers tells by events what the other was asked, previews and pictures included', async () => {
    const [asked, listening] = await Promise.all([start('server'), start('server'), start('worker')])
    const stream = await fetch(`${listening.url}/api/v1/events`)
    const job = await submit(asked, { prompt: 'slow', steps: 5 })
    const kinds: string[] = []
    let text = ''
    for await (const chunk of stream.body!) {
      text += Buffer.from(chunk).toString()
      const events = text.split('\n\n')
      text = events.pop()!
      for (const event of events) {
        const kind = /^event: (.*)$/m.exec(event)?.[1]
        if (kind !== undefined && event.includes(job!.id)) kinds.push(kind)
      }
      if (kinds.includes('done')) break
    }
    expect(kinds[0]).toBe('queued')
    expect(kinds.filter((kind) => kind === 'step')).toHaveLength(10)
    expect(kinds.filter((kind) => kind === 'picture')).toHaveLength(2)
    const cancelled = await submit(asked, { prompt: 'slow', steps: 150, n_iter: 8 })
    await until(listening, cancelled!.id, ({ progress }) => progress !== null)
    expect((await fetch(`${listening.url}/api/v1/jobs/${cancelled!.id}/cancel`, { method: 'POST' })).status).toBe(200)
    expect(await until(asked, cancelled!.id, isEnded)).toMatchObject({ state: 'cancelled' })
  })

  test(`${kills} random kills of servers, workers and Redis lose no job that was accepted and double none`, async () => {
    const accepted = new Map<string, number>()
    let [server, worker] = await Promise.all([start('server'), start('worker'), start('worker')])
    for (let round = 0; round < kills; round++) {
      let isOver = false
      const clients = Array.from({ length: 2 }, async () => {
        while (!isOver) {
          const job = await submit(server, { prompt: seed % 3 === 0 ? 'slow' : 'a' }).catch(() => undefined)
          if (job) accepted.set(job.id, Number(job.tag))
          await setTimeout(50)
        }
      })
      await setTimeout(300 + Math.random() * 1500)
      const victim = ['server', 'worker', 'redis'][round % 3]
      if (victim === 'redis') {
        await redis.kill()
        await setTimeout(Math.random() * 500)
        await redis.start()
      } else await kill(victim === 'server' ? server : worker)
      isOver = true
      await Promise.all(clients)
      if (victim === 'server') server = await start('server')
      else if (victim === 'worker') worker = await start('worker')
    }
    expect(accepted.size).toBeGreaterThan(0)
    const ended: SeenJob[] = []
    for (const id of accepted.keys()) ended.push(await until(server, id, isEnded))
    // Jobs whose answer was lost on the way are done as well.
    for (;;) {
      const status = (await (await fetch(`${server.url}/api/v1/queue`)).json()) as { queued: number; running: number }
      if (status.queued + status.running === 0) break
      await setTimeout(100)
    }
    const reply = await fetch(`${server.url}/api/v1/jobs?limit=1000`)
    const all = ((await reply.json()) as { jobs: SeenJob[] }).jobs
    expect(new Set(all.map(({ tag }) => tag)).size).toBe(all.length)
    // A job that was twice unlucky is given up, and says so.
    for (const { state, error } of ended)
      expect([state, error?.code]).toEqual(error ? ['failed', 'crashed'] : ['done', undefined])
    const done = all.filter(({ state }) => state === 'done').map(({ tag }) => Number(tag) * 10)
    expect(await savedSeeds()).toEqual(done.flatMap((own) => [own, own + 1]).sort((a, b) => a - b))
  })
})
