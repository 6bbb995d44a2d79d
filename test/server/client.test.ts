import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makePictures } from '../../examples/makePictures.ts'
import { searchGallery } from '../../examples/searchGallery.ts'
import { clientTypes } from '../../scripts/clientTypes.ts'
import { StudioClient, StudioRequestError, type Submission } from '../../src/client/client.ts'
import { decodePicture } from '../../src/image/decode.ts'
import { type TestServer, testServer } from './testServer.ts'

let server: TestServer
let address: string
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-client-'))
  server = await testServer({ credentials: [{ name: 'ann', password: 'geheim ü' }] })
  address = await server.app.listen({ port: 0, host: '127.0.0.1' })
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

const credential = { name: 'ann', password: 'geheim ü' }
const wish = (request: Record<string, unknown>): Submission => ({
  endpoint: 'txt2img',
  request: { prompt: 'a', steps: 2, width: 64, height: 64, ...request },
})

test('the types of the client are those of the server', async () => {
  const committed = readFileSync(fileURLToPath(new URL('../../src/client/schema.ts', import.meta.url)), 'utf8')
  expect(committed, 'npm run openapi writes them anew').toBe(await clientTypes())
})

test('a client runs a job to its end and fetches its picture', async () => {
  const studio = new StudioClient(address, { credential })
  const job = await studio.run(wish({ seed: 5 }))
  expect(job).toMatchObject({ state: 'done', user: 'ann', pictures: [{ seed: 5 }] })
  expect(await decodePicture(await studio.file(job.pictures[0]!.url))).toMatchObject({ width: 8, height: 8 })
  expect((await studio.run(wish({ prompt: 'fail' }))).error).toMatchObject({ code: 'not-a-number' })
})

test('a client is told why something was refused', async () => {
  const studio = new StudioClient(address, { credential })
  const refused = await studio.submit(wish({ steps: 0 })).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(StudioRequestError)
  expect(refused).toMatchObject({ status: 422, code: 'bad-request', field: 'steps' })
  await expect(studio.job('nobody')).rejects.toMatchObject({ status: 404, code: 'not-found' })
  await expect(new StudioClient(address).submit(wish({}))).rejects.toMatchObject({ status: 401 })
  await expect(studio.file('/api/v1/images/999/file')).rejects.toMatchObject({ status: 404 })
})

test('the examples do what they say', async () => {
  const open = await testServer()
  const url = await open.app.listen({ port: 0, host: '127.0.0.1' })
  const paths = await makePictures(url, folder)
  expect(paths).toEqual([join(folder, 'apple-0.png'), join(folder, 'apple-1.png')])
  const seeds: (number | null)[] = []
  for await (const { seed } of searchGallery(url, 'red apple')) seeds.push(seed)
  expect(seeds).toEqual([8, 7])
  await open.close()
})
