import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { crc32, deflateSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { encodePng } from '../../src/image/encode.ts'
import { filled } from '../../src/image/picture.ts'
import { type TestServer, testServer } from './testServer.ts'

// Pictures that requests name by their addresses. What of the network may be reached is tested beside fetchFile.ts.

let server: TestServer
let png: Uint8Array
const visits: string[] = []
const web = createServer((request, reply) => {
  visits.push(request.url ?? '')
  if (request.url === '/picture.png') reply.end(png)
  else if (request.url === '/bomb.png') reply.end(bomb())
  else reply.end('<html>')
})
let site: string
beforeAll(async () => {
  server = await testServer()
  png = await encodePng(filled(3, 64, 64, [1, 2, 3]))
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  site = `http://127.0.0.1:${(web.address() as AddressInfo).port}`
})
afterAll(async () => {
  web.close()
  await server.close()
})
beforeEach(() => {
  visits.length = 0
  server.studio.optionsFile.set({ api_enable_requests: true, api_forbid_local_requests: false })
})

/** A PNG of 65,000 × 65,000 pixels of one bit, half a gigabyte when it is unpacked. */
function bomb(): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const typed = Buffer.concat([Buffer.from(type), data])
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    sum.writeUInt32BE(crc32(typed))
    return Buffer.concat([length, typed, sum])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(65_000, 0)
  header.writeUInt32BE(65_000, 4)
  header[8] = 1
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10])
  const data = chunk('IDAT', deflateSync(Buffer.alloc(1_000_000)))
  return Buffer.concat([signature, chunk('IHDR', header), data, chunk('IEND', Buffer.alloc(0))])
}

const post = async (url: string, payload: object) => {
  const reply = await server.app.inject({ method: 'POST', url, payload })
  return { status: reply.statusCode, answer: reply.json() as Record<string, unknown> }
}
const fields = { prompt: 'a', steps: 1, width: 64, height: 64 }
const img2img = (image: string, own: object = {}) =>
  post('/sdapi/v1/img2img', { ...fields, init_images: [image], ...own })

test('nothing is fetched unless config.json says so, whatever a request says', async () => {
  server.studio.optionsFile.set({ api_enable_requests: false })
  const asked = { override_settings: { api_enable_requests: true, api_forbid_local_requests: false } }
  for (const own of [{}, asked, { ...asked, override_settings_restore_afterwards: false }, {}]) {
    expect(await img2img(`${site}/picture.png`, own)).toMatchObject({ status: 422, answer: { field: 'init_images.0' } })
  }
  await post('/sdapi/v1/options', { api_enable_requests: true })
  expect((await img2img(`${site}/picture.png`)).status).toBe(422)
  expect(visits).toEqual([])
})

test('where it does, start pictures, masks and pictures to look at may be addresses', async () => {
  const picture = `${site}/picture.png`
  const made = await img2img(picture, { mask: picture, include_init_images: true })
  expect(made.status).toBe(200)
  // What was asked for comes back as it was asked for.
  expect(made.answer.parameters).toMatchObject({ init_images: [picture], mask: picture })
  expect(await post('/sdapi/v1/png-info', { image: picture })).toMatchObject({ status: 200, answer: { info: '' } })
  const job = { endpoint: 'img2img', request: { ...fields, init_images: [picture] }, save: false }
  expect((await post('/api/v1/jobs', job)).status).toBe(201)
  expect(visits).toEqual(Array.from({ length: 4 }, () => '/picture.png'))
})

test('networks that are not public are left alone unless config.json says otherwise', async () => {
  server.studio.optionsFile.set({ api_forbid_local_requests: true })
  let isVisited = false
  const spy = createTcpServer(() => {
    isVisited = true
  })
  await new Promise<void>((resolve) => spy.listen(0, '127.0.0.1', resolve))
  const { port } = spy.address() as AddressInfo
  for (const url of [`http://127.0.0.1:${port}/`, `http://localhost:${port}/`, 'http://169.254.169.254/latest']) {
    const { status, answer } = await img2img(url)
    expect([status, answer.error, answer.field]).toEqual([403, 'forbidden', 'init_images.0'])
    expect((await post('/sdapi/v1/png-info', { image: url })).status).toBe(403)
  }
  spy.close()
  expect([isVisited, visits]).toEqual([false, []])
})

test('what is no picture there is refused before it is unpacked, and so are too many', async () => {
  expect(await img2img(`${site}/page.html`)).toMatchObject({ status: 422, answer: { field: 'init_images.0' } })
  expect(await img2img(`${site}/bomb.png`)).toMatchObject({ status: 413, answer: { field: 'init_images.0' } })
  const many = { batch_size: 20, init_images: Array.from({ length: 20 }, () => `${site}/picture.png`) }
  expect(await img2img('', many)).toMatchObject({ status: 422, answer: { field: 'init_images.16' } })
})
