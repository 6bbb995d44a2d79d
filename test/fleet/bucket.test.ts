import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { follow } from '../../src/gallery/follow.ts'
import { Gallery } from '../../src/gallery/gallery.ts'
import { Bucket } from '../../src/jobs/fleet/bucket.ts'
import { BucketFiles } from '../../src/jobs/fleet/bucketFiles.ts'
import { FleetQueue } from '../../src/jobs/fleet/fleetQueue.ts'
import { Hand } from '../../src/jobs/fleet/hand.ts'
import { generateTask } from '../../src/jobs/generateTask.ts'
import { runTask } from '../../src/jobs/runTask.ts'
import { recipeFromRequest } from '../../src/pipeline/wire/recipeFromRequest.ts'
import { goldenStudio } from '../parity/goldenStudio.ts'
import { InlineCrew } from '../server/inlineCrew.ts'
import { hasRedis, RedisServer } from './redisServer.ts'
import { hasS3, S3Server } from './s3Server.ts'
import { silence } from './silence.ts'

const studio = goldenStudio()
let s3: S3Server

describe.skipIf(!hasRedis || !hasS3)('pictures in a bucket', () => {
  let redis: RedisServer
  let folders: string[]
  let closing: (() => Promise<void>)[]

  beforeAll(async () => {
    s3 = await S3Server.start()
    redis = await RedisServer.start()
  })
  afterAll(async () => {
    await redis.remove()
    await s3.stop()
  })
  beforeEach(() => {
    folders = []
    closing = []
  })
  afterEach(async () => {
    for (const close of closing.reverse()) await close()
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  })

  const settings = () => ({ url: s3.url, environment: s3.environment })

  /** A data folder that no other machine sees. */
  function ownFolder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'athanor-bucket-'))
    folders.push(folder)
    return folder
  }

  async function server() {
    const dataDir = ownFolder()
    const files = await BucketFiles.open(settings(), dataDir)
    const queue = await FleetQueue.open({ redis: { url: redis.url, dataDir }, files })
    const outputs = join(dataDir, 'outputs', 'txt2img-images')
    const gallery = new Gallery(
      join(dataDir, 'cache', 'gallery.sqlite'),
      () => [outputs],
      (path) => files.deleted(path),
    )
    follow(queue, gallery, (_, error) => {
      throw error
    })
    closing.push(async () => {
      await queue.close()
      gallery.close()
    })
    return { queue, files, gallery, outputs }
  }

  async function worker() {
    const dataDir = ownFolder()
    const files = await BucketFiles.open(settings(), dataDir)
    const crew = new InlineCrew(join(dataDir, 'outputs'))
    const hand = await Hand.open({ redis: { url: redis.url, dataDir, lease: { seconds: 5 } }, crew, files })
    closing.push(() => hand.close())
    return { hand, dataDir, crew }
  }

  async function task(prompt: string, body: object = {}) {
    const request = { prompt, steps: 2, width: 64, height: 64, seed: 7, ...body }
    return generateTask('txt2img', await recipeFromRequest(request, 'txt2img', studio()), { saving: true })
  }

  test('of which a store gives each name to one object alone, and lists them all', async () => {
    const bucket = new Bucket({ ...settings(), listedAtOnce: 3 })
    await bucket.check()
    // More than one answer of a list holds, and names that addresses do not.
    const keys = Array.from({ length: 7 }, (_, i) => `list/${i} ü+&<%>#?.txt`)
    for (const key of keys) await bucket.put(key, Buffer.from('x'))
    const listed: string[] = []
    for await (const key of bucket.list('list/')) listed.push(key)
    expect(listed).toEqual(keys)
    expect(await bucket.get(keys[0]!)).toEqual(new Uint8Array(Buffer.from('x')))
    expect(await bucket.get('list/nothing')).toBeUndefined()
    const races = await Promise.all([1, 2, 3, 4].map((own) => bucket.putNew('list/race', Buffer.from(String(own)))))
    expect(races.filter((isNew) => isNew)).toHaveLength(1)
  })

  test('are made on one machine and had on others, under numbers of their own', async () => {
    const [one, two] = [await server(), await server()]
    await worker()
    const later = await worker()
    const results = []
    for (let i = 0; i < 4; i++) results.push(await runTask(i % 2 ? one.queue : two.queue, await task('a', { seed: i })))
    const names = results.map(({ result }) => result.pictures[0]!.savedPath!.split('/').at(-1))
    expect(names).toEqual(['00000-0.png', '00001-1.png', '00002-2.png', '00003-3.png'])
    for (const { queue, gallery, outputs } of [one, two]) {
      // A job that another server was asked for is heard of a moment later.
      while (gallery.find().images.length < 4) await new Promise((resolve) => setTimeout(resolve, 20))
      const { id, result } = results[0]!
      const bytes = await queue.file(id, result.pictures[0]!.file)
      expect(readFileSync(join(outputs, '00000-0.png'))).toEqual(Buffer.from(bytes))
    }
    expect(existsSync(join(later.dataDir, 'outputs'))).toBe(false)

    const { images } = one.gallery.find()
    await one.gallery.delete(images[0]!.id)
    const third = await server()
    await third.files.fetchAllSaved(new AbortController().signal)
    expect(readdirSync(third.outputs).sort()).toEqual(['00000-0.png', '00001-1.png', '00002-2.png'])
  })

  test('of an attempt that was lost are taken back', async () => {
    const { queue } = await server()
    const silent = await worker()
    const job = await queue.submit(await task('slow', { seed: 90, n_iter: 4, steps: 140 }))
    await new Promise<void>((resolve) => queue.subscribe(({ kind }) => kind === 'picture' && resolve()))
    silence(silent.hand)
    await worker()
    const ended = await queue.ended(job)
    expect(ended).toMatchObject({ state: 'done', attempts: 2, error: undefined })
    const keys: string[] = []
    for await (const key of new Bucket(settings()).list('saved/')) keys.push(key)
    const seeds = keys.map((key) => /-(\d+)\.png$/.exec(key)?.[1]).filter((seed) => Number(seed) >= 90)
    expect(seeds.sort()).toEqual(['90', '91', '92', '93'])
  })
})

test('addresses and credentials that are none are told', () => {
  const environment = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }
  for (const url of ['pictures', 's3://', 's3://UPPER', 'http://x/y']) {
    expect(() => new Bucket({ url, environment })).toThrow(/expected s3:/)
  }
  expect(() => new Bucket({ url: 's3://pictures', environment: {} })).toThrow(/AWS_ACCESS_KEY_ID/)
})
