import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { decodePicture, pictureFormat } from '../../src/image/decode.ts'
import { submission, type TestServer, testServer } from './testServer.ts'

let server: TestServer
let address: string
beforeAll(async () => {
  server = await testServer({}, { limits: { queued: 50, queuedPerUser: 50 } })
  address = await server.app.listen({ port: 0, host: '127.0.0.1' })
})
afterAll(() => server.close())

const api = (path: string, init?: RequestInit) => fetch(`${address}/api/v1${path}`, init)
const post = (path: string, body?: object) =>
  api(path, {
    method: 'POST',
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
const json = async (reply: Response) => (await reply.json()) as Record<string, never>

async function done(prompt: string, body: object = {}): Promise<Record<string, never>> {
  const job = await json(await post('/jobs', submission(prompt, body)))
  await server.queue.ended(await server.queue.get(job.id!))
  return json(await api(`/jobs/${job.id}`))
}

describe('a job', () => {
  test('is accepted with an address, done, and has its pictures', async () => {
    const reply = await post('/jobs', { ...submission('a cat'), tag: 'mine', priority: 3 })
    const job = await json(reply)
    expect([reply.status, reply.headers.get('location')]).toEqual([201, `/api/v1/jobs/${job.id}`])
    await server.queue.ended(await server.queue.get(job.id!))
    const ended = await json(await api(`/jobs/${job.id}`))
    expect(ended).toMatchObject({
      ...{ state: 'done', tag: 'mine', title: 'a cat', priority: 3, attempts: 1, user: '127.0.0.1', error: null },
      pictures: [
        { index: 0, seed: 7, width: 8, height: 8, byProducts: [], infotext: expect.stringContaining('a cat') },
      ],
    })
    const [{ url }] = ended.pictures as unknown as [{ url: string }]
    const file = await fetch(address + url)
    expect(file.headers.get('content-type')).toBe('image/png')
    expect(await decodePicture(new Uint8Array(await file.arrayBuffer()))).toMatchObject({ width: 8, height: 8 })
    const tagged = (await json(await api('/jobs?tag=mine&state=done'))) as unknown as { jobs: { id: string }[] }
    expect(tagged.jobs.map(({ id }) => id)).toEqual([job.id])
  })

  test('that does not exist is not found, whatever is asked of it', async () => {
    for (const path of ['/jobs/nobody', '/jobs/nobody/preview', '/jobs/nobody/files/1/0.png', '/events?job=nobody']) {
      expect([path, (await api(path)).status]).toEqual([path, 404])
    }
    for (const verb of ['cancel', 'interrupt', 'skip']) expect((await post(`/jobs/nobody/${verb}`)).status).toBe(404)
  })

  test('is cancelled once: before it starts, while it runs, and not when it has ended', async () => {
    const running = await json(await post('/jobs', submission('slow', { steps: 100 })))
    const waiting = await json(await post('/jobs', submission('a')))
    for (const { id } of [waiting, running]) {
      expect((await post(`/jobs/${id}/cancel`)).status).toBe(200)
      expect((await server.queue.ended(await server.queue.get(id!))).state).toBe('cancelled')
      expect((await post(`/jobs/${id}/cancel`)).status).toBe(409)
    }
  })
})

test('a queue can be paused, reordered and gone on with; beyond its limit it says when to come back', async () => {
  expect(await json(await post('/queue/pause'))).toMatchObject({ isPaused: true })
  const ids: string[] = []
  for (let i = 0; i < 50; i++) ids.push((await json(await post('/jobs', submission('a', { steps: 1 })))).id!)
  const full = await post('/jobs', submission('a'))
  expect([full.status, Number(full.headers.get('retry-after')) >= 1]).toEqual([429, true])
  await post(`/jobs/${ids[49]}/move`, { before: ids[0]! })
  const waiting = (await json(await api('/jobs?state=queued'))) as unknown as { jobs: { id: string; ahead: number }[] }
  expect(waiting.jobs.slice(0, 2)).toMatchObject([
    { id: ids[49], ahead: 0 },
    { id: ids[0], ahead: 1 },
  ])
  expect(await json(await post('/queue/resume'))).toMatchObject({ isPaused: false })
  for (const id of ids) await server.queue.ended(await server.queue.get(id))
  expect(await json(await api('/queue'))).toMatchObject({ queued: 0, running: 0, workers: [{ state: 'idle' }] })
})

describe('events', () => {
  test('tell a job’s way to its end, by server-sent events', async () => {
    await server.queue.pause()
    const { id } = await json(await post('/jobs', submission('a')))
    const reply = await api(`/events?job=${id}`)
    expect(reply.headers.get('content-type')).toContain('text/event-stream')
    await server.queue.resume()
    const events = (await reply.text())
      .split('\n\n')
      .filter((frame) => frame.startsWith('event:'))
      .map((frame) => ({
        kind: /^event: (.*)$/m.exec(frame)![1],
        data: JSON.parse(/^data: (.*)$/m.exec(frame)![1]!) as { kind: string; job: { id: string } },
      }))
    expect(events.map(({ kind }) => kind)).toEqual(['queued', 'started', 'step', 'step', 'picture', 'done'])
    for (const { kind, data } of events) expect(data).toMatchObject({ kind, job: { id } })
  })

  test('tell the same over a WebSocket', async () => {
    const socket = new WebSocket(`${address.replace('http', 'ws')}/api/v1/events/ws`)
    const kinds: string[] = []
    await new Promise((resolve) => socket.once('open', resolve))
    const ended = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        const { kind } = JSON.parse(String(data)) as { kind: string }
        kinds.push(kind)
        if (kind === 'done') resolve()
      })
    })
    await post('/jobs', submission('a'))
    await ended
    socket.close()
    expect(kinds).toEqual(['queued', 'started', 'step', 'step', 'picture', 'done'])
  })

  test('reach two hundred listeners, and one that does not read holds nobody up', async () => {
    const sockets = Array.from(
      { length: 200 },
      () => new WebSocket(`${address.replace('http', 'ws')}/api/v1/events/ws`),
    )
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('open', resolve))))
    const [deaf] = sockets
    deaf!.pause()
    const heard = Promise.all(
      sockets.slice(1).map(
        (socket) =>
          new Promise<void>((resolve) =>
            socket.on('message', (data) => {
              if ((JSON.parse(String(data)) as { kind: string }).kind === 'done') resolve()
            }),
          ),
      ),
    )
    await done('a')
    await heard
    for (const socket of sockets) socket.terminate()
  })
})

describe('the gallery', () => {
  interface Page {
    readonly images: readonly { readonly id: string; readonly seed: number; readonly prompt: string; readonly url: string; readonly thumbnailUrl: string; readonly isFavourite: boolean }[] // biome-ignore format: a list
    readonly next: string | null
  }
  const find = async (query: string) => (await json(await api(`/images${query}`))) as unknown as Page

  test('finds pictures by what they show, a page at a time', async () => {
    for (const [i, prompt] of ['a green dragon', 'a blue dragon', '一只蓝色的猫', 'a fox'].entries()) {
      await done(prompt, { seed: 1000 + i })
    }
    const seeds = async (query: string) => (await find(query)).images.map(({ seed }) => seed)
    expect(await seeds('?text=dragon')).toEqual([1001, 1000])
    expect(await seeds('?text=blue%20drag')).toEqual([1001])
    expect(await seeds(`?text=${encodeURIComponent('蓝色的')}`)).toEqual([1002])
    expect(await seeds(`?text=${encodeURIComponent('猫')}`)).toEqual([1002])
    expect(await seeds('?text=%25')).toEqual([])
    expect(await seeds('?text="%20OR%20*')).toEqual([])
    const first = await find('?text=dragon&limit=1')
    const second = await find(`?text=dragon&limit=1&cursor=${first.next}`)
    expect([...first.images, ...second.images].map(({ seed }) => seed)).toEqual([1001, 1000])
    expect(second.next).toBeNull()
    expect(await seeds(`?text=dragon&to=${new Date(0).toISOString()}`)).toEqual([])
    expect((await api('/images?cursor=nonsense')).status).toBe(422)
  })

  test('shows, keeps and deletes a picture', async () => {
    await done('a unique unicorn', { seed: 4242 })
    const { images } = await find('?text=unicorn')
    const { id, url, thumbnailUrl } = images[0]!
    const file = await fetch(address + url)
    expect([file.status, file.headers.get('content-type')]).toEqual([200, 'image/png'])
    const small = new Uint8Array(await (await fetch(address + thumbnailUrl)).arrayBuffer())
    expect(pictureFormat(small)).toBe('webp')

    const patch = { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"isFavourite": true}' }
    expect(await json(await api(`/images/${id}`, patch))).toMatchObject({ id, isFavourite: true })
    expect((await find('?favourite=true')).images.map((image) => image.id)).toEqual([id])

    const { path } = server.gallery.get(id)
    expect((await api(`/images/${id}`, { method: 'DELETE' })).status).toBe(204)
    expect(existsSync(path)).toBe(false)
    for (const method of ['GET', 'DELETE']) expect((await api(`/images/${id}`, { method })).status).toBe(404)
  })
})

test('what there is to work with is listed without telling where it lies', async () => {
  const reply = await api('/models')
  const text = await reply.text()
  expect(JSON.parse(text)).toMatchObject({
    checkpoints: expect.arrayContaining([expect.objectContaining({ name: 'tiny-sd1' })]),
    samplers: expect.arrayContaining([expect.objectContaining({ name: 'DPM++ 2M' })]),
    schedulers: expect.arrayContaining([{ name: 'karras', label: 'Karras' }]),
  })
  for (const path of ['/models', '/queue', '/system', '/jobs']) {
    expect(await (await api(path)).text()).not.toContain(server.studio.dataDir)
  }
})

test('a health check is answered while jobs run, and tells ready from alive', async () => {
  await post('/jobs', submission('slow', { steps: 20 }))
  expect(await json(await fetch(`${address}/healthz`))).toEqual({ status: 'ok' })
  expect((await fetch(`${address}/readyz`)).status).toBe(200)
  const dead = await testServer({}, { workers: 0 })
  expect((await dead.app.inject({ url: '/healthz', headers: { host: 'localhost' } })).statusCode).toBe(200)
  expect((await dead.app.inject({ url: '/readyz', headers: { host: 'localhost' } })).statusCode).toBe(503)
  await dead.close()
})

test('Prometheus is told of jobs, pictures and requests', async () => {
  await done('a')
  const text = await (await fetch(`${address}/metrics`)).text()
  expect(Number(/^athanor_jobs_total\{state="done"\} (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(0)
  expect(Number(/^athanor_pictures_total (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(0)
  expect(text).toMatch(/^athanor_queue_jobs\{state="queued"\} \d+$/m)
  expect(text).toContain('route="/api/v1/jobs/:id"')
  expect(text).not.toContain('nobody')
})

test('a caller of the synchronous API who hangs up has his job cancelled, and nobody else’s', async () => {
  const other = await json(await post('/jobs', submission('slow', { steps: 5 })))
  const hangUp = new AbortController()
  const reply = fetch(`${address}/sdapi/v1/txt2img`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'slow', steps: 500, width: 64, height: 64, force_task_id: 'hung up' }),
    signal: hangUp.signal,
  }).catch(() => 'hung up')
  const mine = async () => (await server.queue.list({ tag: 'hung up' }))[0]
  while ((await mine()) === undefined) await setTimeout(5)
  hangUp.abort()
  expect(await reply).toBe('hung up')
  expect((await server.queue.ended((await mine())!)).state).toBe('cancelled')
  expect((await server.queue.ended(await server.queue.get(other.id!))).state).toBe('done')
})

test('a thousand requests at once are all answered: accepted, or told to come back', async () => {
  const replies = await Promise.all(
    Array.from({ length: 1000 }, () => post('/jobs', { ...submission('a', { steps: 1 }), save: false })),
  )
  const accepted = replies.filter(({ status }) => status === 201)
  const refused = replies.filter(({ status, headers }) => status === 429 && headers.get('retry-after') !== null)
  expect(accepted.length + refused.length).toBe(1000)
  expect(refused.length).toBeGreaterThan(0)
  for (const reply of accepted) {
    const { id } = await json(reply)
    expect((await server.queue.ended(await server.queue.get(id!))).state).toBe('done')
  }
})
