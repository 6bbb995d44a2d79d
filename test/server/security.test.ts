import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { encodePng } from '../../src/image/encode.ts'
import { filled } from '../../src/image/picture.ts'
import { defaultSettings } from '../../src/server/settings.ts'
import { submission, type TestServer, testServer } from './testServer.ts'

let server: TestServer
beforeAll(async () => {
  server = await testServer()
})
afterAll(() => server.close())

const post = (url: string, payload: object | string, headers: Record<string, string> = {}) =>
  server.app.inject({
    method: 'POST',
    url,
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    headers: { 'content-type': 'application/json', host: 'localhost', ...headers },
  })

describe('a web page of someone else', () => {
  const cases: readonly [string, Record<string, string>][] = [
    ['by its origin', { origin: 'http://evil.example' }],
    ['by an origin that is none', { origin: 'null' }],
    ['on another port of this machine', { origin: 'http://localhost:8080' }],
    ['by what browsers tell of a form', { 'sec-fetch-site': 'cross-site' }],
    ['under a name that was pointed here', { host: 'rebound.evil.example', origin: 'http://rebound.evil.example' }],
    ['with a Host that is no name', { host: 'localhost@evil.example' }],
  ]
  test.each(cases)('changes nothing, told %s', async (_, headers) => {
    const reply = await post('/api/v1/queue/pause', '', headers)
    expect(reply.statusCode).toBe(403)
    expect(reply.json()).toMatchObject({ error: { code: 'forbidden' } })
    expect((await server.queue.status()).isPaused).toBe(false)
  })

  test('reads nothing under a foreign name', async () => {
    const reply = await server.app.inject({ url: '/api/v1/jobs', headers: { host: 'rebound.evil.example' } })
    expect(reply.statusCode).toBe(403)
  })

  test('cannot post what a form can post', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      const reply = await post('/api/v1/jobs', JSON.stringify(submission('a')), { 'content-type': type })
      expect(reply.statusCode).toBe(415)
    }
    expect(await server.queue.list()).toEqual([])
  })

  test('cannot listen over a WebSocket, and our own page can', async () => {
    const address = await server.app.listen({ port: 0, host: '127.0.0.1' })
    const attempt = (origin: string) =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(`${address.replace('http', 'ws')}/api/v1/events/ws`, { origin })
        socket.on('open', () => {
          socket.terminate()
          resolve('open')
        })
        socket.on('unexpected-response', (_, reply) => resolve(String(reply.statusCode)))
        socket.on('error', () => resolve('error'))
      })
    expect(await attempt('http://evil.example')).toBe('403')
    expect(await attempt(address)).toBe('open')
  })

  test('is let in where the launch flags say so, and then only that one', async () => {
    const open = await testServer({ cors: { origins: ['https://good.example'], pattern: undefined } })
    const ask = (origin: string) =>
      open.app.inject({ method: 'POST', url: '/api/v1/queue/resume', headers: { origin, host: 'localhost' } })
    const good = await ask('https://good.example')
    expect([good.statusCode, good.headers['access-control-allow-origin']]).toEqual([200, 'https://good.example'])
    const bad = await ask('https://bad.example')
    expect([bad.statusCode, bad.headers['access-control-allow-origin']]).toEqual([403, undefined])
    await open.close()
  })
})

test('addresses, names without dots and allowed names are names of this server', async () => {
  const own = await testServer({ allowedHosts: ['studio.example'] })
  const statusOf = async (host: string) => (await own.app.inject({ url: '/healthz', headers: { host } })).statusCode
  for (const host of ['127.0.0.1:7860', '[::1]:7860', '192.168.1.5', 'localhost', 'athanor:7860', 'studio.example']) {
    expect([host, await statusOf(host)]).toEqual([host, 200])
  }
  for (const host of ['studio.example.evil.example', 'xstudio.example', '1.2.3.4.evil.example']) {
    expect([host, await statusOf(host)]).toEqual([host, 403])
  }
  await own.close()
})

test('it listens on this machine alone unless told otherwise', () => {
  expect(defaultSettings.host).toBe('127.0.0.1')
})

test('every reply forbids foreign scripts and guessing of types', async () => {
  for (const url of ['/healthz', '/api/v1/jobs', '/nowhere', '/docs/', '/openapi.json']) {
    const { headers } = await server.app.inject({ url, headers: { host: 'localhost' } })
    expect(headers['content-security-policy']).toContain("script-src 'self';")
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
    expect(headers['x-content-type-options']).toBe('nosniff')
  }
})

describe('a request that costs too much', () => {
  test('by its announced size is refused before it is read', async () => {
    const reply = await server.app.inject({
      method: 'POST',
      url: '/api/v1/jobs',
      headers: { 'content-type': 'application/json', 'content-length': String(200 * 2 ** 20), host: 'localhost' },
    })
    expect(reply.statusCode).toBe(413)
  })

  test('by its size as it comes is cut off', async () => {
    const small = await testServer({ limits: { ...defaultSettings.limits, bodyBytes: 1000 } })
    const reply = await small.app.inject({
      method: 'POST',
      url: '/api/v1/jobs',
      payload: `{"x":"${'y'.repeat(2000)}"}`,
      headers: { 'content-type': 'application/json', host: 'localhost', 'transfer-encoding': 'chunked' },
    })
    expect(reply.statusCode).toBe(413)
    await small.close()
  })

  test.each([
    ['arrays', '['.repeat(10_000)],
    ['objects', '{"a":'.repeat(10_000)],
    ['both, well formed', `${'[{"a":'.repeat(5000)}1${'}]'.repeat(5000)}`],
  ])('by the depth of its %s is refused', async (_, payload) => {
    expect((await post('/api/v1/jobs', payload)).statusCode).toBe(400)
  })

  test('brackets within text are no depth', async () => {
    const reply = await post('/api/v1/jobs', submission(`${'['.repeat(5000)} "\\" ${'('.repeat(5000)}`))
    expect(reply.statusCode).toBe(201)
  })

  test('in a hundred thousand chunks of one byte is read, or cut off, without growing', async () => {
    const { port } = server.app.server.address() as AddressInfo
    const body = JSON.stringify(submission('a')).padEnd(100_000)
    const before = process.memoryUsage.rss()
    const status = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => {
        const head = ['POST /api/v1/jobs HTTP/1.1', 'host: localhost', 'content-type: application/json']
        socket.write(`${[...head, 'transfer-encoding: chunked'].join('\r\n')}\r\n\r\n`)
        socket.write(`${[...body].map((letter) => `1\r\n${letter}\r\n`).join('')}0\r\n\r\n`)
      })
      socket.once('data', (data) => {
        socket.destroy()
        resolve(String(data).split(' ')[1]!)
      })
      socket.once('error', reject)
    })
    expect(['201', '400', '413']).toContain(status)
    expect(process.memoryUsage.rss() - before).toBeLessThan(50 * 2 ** 20)
  })

  test.each(['{"__proto__": {"x": 1}}', '{"a": [{"\\u005f_proto__": 1}]}', '{', '"', 'nonsense', '{"a":1}}'])(
    'or that is no honest JSON is refused: %s',
    async (payload) => {
      expect((await post('/api/v1/jobs', payload)).statusCode).toBe(400)
      expect(({} as { x?: unknown }).x).toBeUndefined()
    },
  )
})

describe('fields out of range are named', () => {
  const cases: readonly [string, unknown][] = [
    ...[0, -8, 1e9, 'NaN', null].map((value): [string, unknown] => ['width', value]).filter(([, v]) => v !== null),
    ...[0, 1e9, 'many'].map((value): [string, unknown] => ['steps', value]),
    ...['NaN', 'Infinity', 1e9].map((value): [string, unknown] => ['cfg_scale', value]),
    ...['abc', 2 ** 70].map((value): [string, unknown] => ['seed', value]),
    ['sampler_name', 'No such sampler'],
    ['scheduler', 'No such schedule'],
    ['override_settings', { sd_model_checkpoint: 'no such checkpoint' }],
    ['batch_size', 1e6],
  ]
  test.each(cases)('%s: %j', async (field, value) => {
    const reply = await post('/api/v1/jobs', submission('a', { [field]: value }))
    expect(reply.statusCode).toBe(422)
    expect(reply.json().error.field).toMatch(new RegExp(`^${field}`))
  })
})

test.each([
  ['empty', ''],
  ['long', 'x '.repeat(40_000)],
  ['with NUL', 'a\0b'],
  ['with half a character', 'a \ud800 b'],
  ['from right to left', 'قطة'],
  ['with brackets in brackets', '('.repeat(10_000)],
  ['with a schedule of steps that never come', '[a:b:1e9]'],
])('a prompt that is %s makes a picture', async (_, prompt) => {
  const reply = await post('/api/v1/jobs', submission(prompt))
  expect(reply.statusCode).toBe(201)
  const job = await server.queue.ended(await server.queue.get(reply.json().id))
  expect(job.state).toBe('done')
})

test('a prompt of a megabyte, or one that names a file elsewhere, is refused or left alone', async () => {
  expect((await post('/api/v1/jobs', submission('x'.repeat(1_000_000)))).statusCode).toBe(422)
  const reply = await post('/api/v1/jobs', submission('<lora:../../../etc/passwd:1>'))
  expect(reply.statusCode).toBe(422)
  expect(reply.json().error.message).toContain('no LoRA is called')
})

describe('pictures sent in', () => {
  const img2img = (init: string) =>
    post('/api/v1/jobs', { endpoint: 'img2img', request: { init_images: [init], width: 64, height: 64, steps: 1 } })
  const bomb = () => {
    // A PNG header that claims 65,000 x 65,000 pixels of one bit.
    const ihdr = Buffer.alloc(25)
    ihdr.writeUInt32BE(13, 0)
    ihdr.write('IHDR', 4)
    ihdr.writeUInt32BE(65_000, 8)
    ihdr.writeUInt32BE(65_000, 12)
    ihdr.set([1, 0, 0, 0, 0], 16)
    return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), ihdr]).toString('base64')
  }
  const hostile: readonly [string, () => string | Promise<string>][] = [
    ['junk', () => '!!!not base64!!!'],
    [
      'cut off',
      async () => Buffer.from((await encodePng(filled(3, 64, 64, [1, 2, 3]))).subarray(0, 60)).toString('base64'),
    ],
    ['HTML', () => Buffer.from('<html><script>alert(1)</script></html>').toString('base64')],
    ['SVG', () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>').toString('base64')],
    ['text by its own account', () => 'data:text/html;base64,PGh0bWw+'],
    ['larger than they look', bomb],
    ['addresses of this machine', () => 'http://127.0.0.1:1/x.png'],
    ['addresses of the cloud', () => 'http://169.254.169.254/latest/meta-data'],
    ['files', () => 'file:///etc/passwd'],
  ]
  test.each(hostile)('that are %s are refused', async (_, init) => {
    const reply = await img2img(await init())
    expect(reply.statusCode).toBeGreaterThanOrEqual(413)
    expect(reply.statusCode).toBeLessThan(423)
  })

  test('that are pictures are taken', async () => {
    const png = Buffer.from(await encodePng(filled(3, 64, 64, [1, 2, 3]))).toString('base64')
    expect((await img2img(`data:image/png;base64,${png}`)).statusCode).toBe(201)
  })
})

describe('what is asked for by name', () => {
  test('is found nowhere but where it belongs', async () => {
    const bad = [
      '..',
      '%2e%2e',
      '..%5c..',
      'C%3a',
      'CON',
      '%00',
      '1%00',
      '1%2f..%2f2',
      '99999999999999999999',
      '-1',
      '1e3',
    ]
    for (const id of bad) {
      for (const url of [`/api/v1/images/${id}`, `/api/v1/images/${id}/file`, `/api/v1/images/${id}/thumbnail`]) {
        const { statusCode } = await server.app.inject({ url, headers: { host: 'localhost' } })
        expect([url, [400, 404].includes(statusCode)]).toEqual([url, true])
      }
    }
    for (const path of ['../journal.sqlite', '1/%2e%2e%2fjournal.sqlite', '1/..png', '%2fetc/passwd.png']) {
      const { statusCode } = await server.app.inject({
        url: `/api/v1/jobs/x/files/${path}`,
        headers: { host: 'localhost' },
      })
      expect([path, [400, 404].includes(statusCode)]).toEqual([path, true])
    }
  })

  test('is not a link that leads elsewhere', async () => {
    const folder = join(server.outputs, 'txt2img-images')
    mkdirSync(folder, { recursive: true })
    const outside = join(server.outputs, '..', 'secret.png')
    writeFileSync(outside, await encodePng(filled(3, 8, 8, [1, 2, 3])))
    symlinkSync(outside, join(folder, 'link.png'))
    expect(await server.gallery.add(join(folder, 'link.png'))).toBeUndefined()

    // One that was a picture when it was listed, and became a link later.
    writeFileSync(join(folder, 'later.png'), await encodePng(filled(3, 8, 8, [1, 2, 3])))
    const id = await server.gallery.add(join(folder, 'later.png'))
    const { rmSync } = await import('node:fs')
    rmSync(join(folder, 'later.png'))
    symlinkSync(outside, join(folder, 'later.png'))
    const reply = await server.app.inject({ url: `/api/v1/images/${id}/file`, headers: { host: 'localhost' } })
    expect(reply.statusCode).toBe(404)
    await expect(server.gallery.delete(id!)).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('with a password', () => {
  let closed: TestServer
  beforeAll(async () => {
    const credentials = [
      { name: 'ann', password: 'has:colons' },
      { name: 'ben', password: '密码' },
    ]
    closed = await testServer({ credentials, limits: { ...defaultSettings.limits, failedSignIns: 5 } })
  })
  afterAll(() => closed.close())
  const ask = (credential: string | undefined, address = '10.0.0.1', url = '/api/v1/queue') =>
    closed.app.inject({
      url,
      remoteAddress: address,
      headers: {
        host: 'localhost',
        ...(credential !== undefined && { authorization: `Basic ${Buffer.from(credential).toString('base64')}` }),
      },
    })

  test('whoever knows it comes in', async () => {
    for (const credential of ['ann:has:colons', 'ben:密码']) expect((await ask(credential)).statusCode).toBe(200)
  })

  test('whoever does not is told nothing', async () => {
    for (const credential of [undefined, 'ann:wrong', 'ann:', 'ann', ':', 'ben:has:colons', 'annhas:colons']) {
      const reply = await ask(credential, `10.0.1.${(credential ?? '').length}`)
      expect(reply.statusCode).toBe(401)
      expect(reply.headers['www-authenticate']).toContain('Basic')
    }
    for (const url of ['/metrics', '/docs/', '/openapi.json', '/nowhere', '/api/v1/events']) {
      expect([url, (await ask(undefined, '10.0.2.1', url)).statusCode === 200]).toEqual([url, false])
    }
    for (const url of ['/healthz', '/readyz']) expect((await ask(undefined, '10.0.2.2', url)).statusCode).toBe(200)
  })

  test('whoever guesses has to wait, and others have not', async () => {
    const statuses: number[] = []
    for (let i = 0; i < 8; i++) statuses.push((await ask(`ann:guess${i}`, '10.0.3.1')).statusCode)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429])
    const even = await ask('ann:has:colons', '10.0.3.1')
    expect([even.statusCode, Number(even.headers['retry-after']) > 0]).toEqual([429, true])
    expect((await ask('ann:has:colons', '10.0.3.2')).statusCode).toBe(200)
  })
})

test('errors tell nothing of what is inside, and the log does under the same id', async () => {
  const { id } = (await post('/api/v1/jobs', submission('bug'))).json()
  const job = await server.queue.ended(await server.queue.get(id))
  expect(JSON.stringify(job.error)).not.toMatch(/secret|\/|internal:/)
  const shown = (await server.app.inject({ url: `/api/v1/jobs/${id}`, headers: { host: 'localhost' } })).body
  expect(shown).not.toContain(server.outputs)
  const spoilt = await server.app.inject({ url: '/api/v1/images?from=never', headers: { host: 'localhost' } })
  expect(spoilt.statusCode).toBe(422)
})

test('hostile words come back as data, whatever they say', async () => {
  const payload = '<img src=x onerror=alert(1)>"\'</script>'
  const { id } = (await post('/api/v1/jobs', { ...submission(payload), title: payload, tag: payload })).json()
  const reply = await server.app.inject({
    url: `/api/v1/jobs/${id}`,
    headers: { host: 'localhost', 'accept-encoding': 'gzip' },
  })
  const body = reply.headers['content-encoding'] === 'gzip' ? gunzipSync(reply.rawPayload).toString() : reply.body
  expect(reply.headers['content-type']).toContain('application/json')
  expect(JSON.parse(body).title).toBe(payload)
})
