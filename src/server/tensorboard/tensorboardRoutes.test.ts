import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { openPictureEventFile } from '../../train/log/eventFile.ts'
import { defaultSettings } from '../settings.ts'
import { tensorboardApp } from './tensorboardApp.ts'

const goldens = new URL('../../train/log/goldens/', import.meta.url)
/** What TensorBoard's own server answers about the same files: scripts/goldens/eventFiles.py. */
const expected = JSON.parse(readFileSync(new URL('events.json', goldens), 'utf8')) as {
  readonly runs: readonly string[]
  readonly tags: Readonly<Record<string, Readonly<Record<string, object>>>>
  readonly scalars: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}
const appOf = (folder: string) =>
  tensorboardApp(defaultSettings, { host: '127.0.0.1', port: 6006, folder }, pino({ level: 'silent' }))
const app = await appOf(fileURLToPath(new URL('events', goldens)))
afterAll(() => app.close())
const get = (url: string) => app.inject({ method: 'GET', url })

test('runs, tags and scalars are answered as TensorBoard answers them', async () => {
  expect([...((await get('/data/runs')).json() as string[])].sort()).toEqual([...expected.runs].sort())
  const tags = (await get('/data/plugin/scalars/tags')).json() as typeof expected.tags
  const names = (all: typeof expected.tags) =>
    Object.fromEntries(Object.entries(all).map(([run, of]) => [run, Object.keys(of).sort()]))
  expect(names(tags)).toEqual(names(expected.tags))
  for (const [run, of] of Object.entries(expected.scalars)) {
    for (const [tag, points] of Object.entries(of)) {
      const reply = await get(`/data/plugin/scalars/scalars?${new URLSearchParams({ run, tag })}`)
      expect(reply.json(), `${run} ${tag}`).toEqual(points)
    }
  }
})

test('numbers come as CSV too', async () => {
  const reply = await get(`/data/plugin/scalars/scalars?run=restarted&tag=tensor%2Ffloat&format=csv`)
  expect(reply.headers['content-type']).toContain('text/csv')
  expect(reply.payload).toBe('Wall time,Step,Value\r\n1001,1,0.25\r\n1002,2,0.5\r\n1003,3,0.75\r\n')
})

test.each([
  ['/data/plugin/scalars/scalars?run=nothing&tag=x', 404],
  ['/data/plugin/scalars/scalars?run=restarted&tag=x', 404],
  ['/data/plugin/scalars/scalars?run=restarted', 422],
  ['/data/plugin/images/individualImage?blob_key=..%2F..%2Fetc', 404],
  [`/data/plugin/images/individualImage?blob_key=${Buffer.from('["restarted","x",0]').toString('base64url')}`, 404],
  ['/../package.json', 404],
  ['/training.html', 404],
  ['/api/v1/jobs', 404],
])('%s is answered with %d', async (url, status) => {
  expect((await get(url)).statusCode).toBe(status)
})

test('strange hosts and methods are refused, and passwords are asked for as by the studio', async () => {
  const foreign = await app.inject({ method: 'GET', url: '/data/runs', headers: { host: 'evil.example' } })
  expect(foreign.statusCode).toBe(403)
  const closed = await tensorboardApp(
    { ...defaultSettings, credentials: [{ name: 'a', password: 'b' }] },
    { host: '127.0.0.1', port: 6006, folder: tmpdir() },
    pino({ level: 'silent' }),
  )
  expect((await closed.inject({ method: 'GET', url: '/data/runs' })).statusCode).toBe(401)
  await closed.close()
})

test('logged pictures are given away as pictures', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-board-'))
  const png = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10, 1])
  openPictureEventFile(join(folder, 'run'), () => 2000).picture(3, 'sample/0', png, { width: 1, height: 1 })
  const board = await appOf(folder)
  const list = await board.inject({ method: 'GET', url: '/data/plugin/images/images?run=run&tag=sample%2F0&sample=0' })
  const [first] = list.json() as { step: number; blob_key: string }[]
  expect(first!.step).toBe(3)
  const picture = await board.inject({
    method: 'GET',
    url: `/data/plugin/images/individualImage?blob_key=${first!.blob_key}`,
  })
  expect([picture.headers['content-type'], picture.headers['x-content-type-options']]).toEqual(['image/png', 'nosniff'])
  expect(picture.rawPayload).toEqual(png)
  await board.close()
  rmSync(folder, { recursive: true })
})
