import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { readInfotext } from '../../src/image/readInfotext.ts'
import { dataFolder } from '../parity/dataFolder.ts'
import { compiled } from './compiled.ts'

// A few instants in every run; ATHANOR_KILLS=200 takes its time.
const kills = Number(process.env.ATHANOR_KILLS ?? 12)

/** Jobs in a list at most, and ended ones that a server remembers. */
const mostTold = 1000

let data: ReturnType<typeof dataFolder>
let server: ChildProcess | undefined
let program: string
let worker: string
beforeAll(async () => {
  program = await compiled('killedServer')
  worker = await compiled('stubWorker')
})
beforeEach(() => {
  data = dataFolder()
})
afterEach(async () => {
  await kill()
  data.remove()
})

async function start(): Promise<string> {
  const child = spawn(process.execPath, [program, data.path, worker], { stdio: ['ignore', 'pipe', 2] })
  server = child
  let output = ''
  for await (const chunk of child.stdout!) {
    output += String(chunk)
    if (output.includes('\n')) return output.trim()
  }
  throw new Error('the server ended before it was up')
}

async function kill(): Promise<void> {
  if (!server || server.exitCode !== null || server.signalCode !== null) return
  const gone = new Promise((resolve) => server?.once('exit', resolve))
  server.kill('SIGKILL')
  await gone
}

interface SeenJob {
  readonly id: string
  readonly state: string
  readonly tag: string
  readonly attempts: number
}

async function jobs(url: string): Promise<readonly SeenJob[]> {
  const reply = await fetch(`${url}/api/v1/jobs?limit=${mostTold}`)
  return ((await reply.json()) as { jobs: SeenJob[] }).jobs
}

test(
  `a server killed at ${kills} random instants loses no job that it accepted and doubles none`,
  async () => {
    const accepted = new Map<string, number>()
    let seed = 0
    const submit = async (url: string) => {
      const own = ++seed
      const request = { prompt: own % 3 === 0 ? 'slow' : 'a', steps: 3, width: 64, height: 64, seed: own, n_iter: 2 }
      const reply = await fetch(`${url}/api/v1/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ endpoint: 'txt2img', tag: String(own), request: { ...request, seed: own * 10 } }),
      })
      if (reply.status === 201) accepted.set(((await reply.json()) as SeenJob).id, own)
    }

    for (let round = 0; round < kills; round++) {
      const url = await start()
      const before = accepted.size
      const wanted = Math.floor(Math.random() * 12)
      // Several at once, so that some are in the middle of being accepted when the end comes.
      let isOver = false
      const clients = Array.from({ length: 3 }, async () => {
        while (!isOver) await submit(url).catch(() => undefined)
      })
      while (accepted.size - before < wanted) await setTimeout(1)
      await setTimeout(Math.random() * 60)
      await kill()
      isOver = true
      await Promise.all(clients)
    }

    const url = await start()
    for (;;) {
      const { queued, running } = (await (await fetch(`${url}/api/v1/queue`)).json()) as {
        queued: number
        running: number
      }
      if (queued + running === 0) break
      await setTimeout(50)
    }
    // A long run has more jobs than a server remembers: the latest are told, the pictures speak for all.
    const told = await jobs(url)
    expect(accepted.size).toBeGreaterThan(0)
    expect(told.filter(({ state }) => state !== 'done')).toEqual([])
    expect(new Set(told.map(({ tag }) => tag)).size).toBe(told.length)
    if (told.length < mostTold) {
      const tags = new Map(told.map(({ id, tag }) => [id, tag]))
      for (const [id, own] of accepted) expect([id, tags.get(id)]).toEqual([id, String(own)])
    }

    // Every job has two pictures, each saved once and whole, under a name of its own.
    const folder = join(data.path, 'outputs', 'txt2img-images')
    const seeds: number[] = []
    for (const file of readdirSync(folder)) {
      const { infotext } = await readInfotext(readFileSync(join(folder, file)))
      seeds.push(Number(/Seed: (\d+)/.exec(infotext ?? '')?.[1]))
    }
    const painted = [...new Set(seeds.map((each) => Math.floor(each / 10)))]
    expect(seeds.sort((x, y) => x - y)).toEqual(
      painted.flatMap((own) => [10 * own, 10 * own + 1]).sort((x, y) => x - y),
    )
    // A job may have been accepted when the server died before it could say so.
    expect(painted).toEqual(expect.arrayContaining([...accepted.values()]))
    expect(painted).toEqual(expect.arrayContaining(told.map(({ tag }) => Number(tag))))
  },
  300_000 + kills * 60_000,
)
