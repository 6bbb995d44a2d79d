import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FetchRules, fetchFile, publicRules } from './fetchFile.ts'

// The web is 127.0.0.1 here, and 127.0.0.2 is a network that must not be reached: it counts who comes.
let web: Server
let inner: Server
let visits = 0
let port = 0
let innerPort = 0
const seen: string[] = []

const file = Buffer.from('a picture, as far as the network is concerned')

const listener: RequestListener = (request, reply) => {
  const { url = '', headers } = request
  seen.push(`${headers.host} ${url} ${headers['user-agent'] ?? 'nobody'}`)
  const hop = /^\/hops\/(\d+)$/.exec(url)?.[1]
  if (hop !== undefined) reply.writeHead(302, { location: hop === '0' ? '/file' : `/hops/${Number(hop) - 1}` }).end()
  else if (url.startsWith('/to?')) reply.writeHead(307, { location: decodeURIComponent(url.slice(4)) }).end()
  else if (url === '/circle') reply.writeHead(301, { location: '/circle' }).end()
  else if (url === '/file') reply.end(file)
  else if (url === '/announced') reply.writeHead(200, { 'content-length': 2 ** 40 }).write('x')
  else if (url === '/endless') {
    const flood = () => {
      while (reply.write(Buffer.alloc(65_536)));
      reply.once('drain', flood)
    }
    flood()
  } else if (url === '/trickle') {
    const drop = setInterval(() => reply.write('x'), 20)
    reply.once('close', () => clearInterval(drop))
  } else if (url === '/gzip') reply.writeHead(200, { 'content-encoding': 'gzip' }).end('x')
  else if (url === '/cut') reply.writeHead(200, { 'content-length': 1000 }).write('x', () => reply.destroy())
  else if (url !== '/silent') reply.writeHead(404).end('not here: a secret')
}

beforeAll(async () => {
  web = createServer(listener)
  inner = createTcpServer((socket) => {
    visits++
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret')
  })
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  await new Promise<void>((resolve) => inner.listen(0, '127.0.0.2', resolve))
  port = (web.address() as AddressInfo).port
  innerPort = (inner.address() as AddressInfo).port
})
afterAll(() => {
  web.close()
  inner.close()
})

const rules: FetchRules = {
  ...publicRules,
  maxBytes: 100_000,
  isAllowed: (address) => address === '127.0.0.1',
  resolve: async (host) => {
    const address = { 'web.example': '127.0.0.1', 'inner.example': '127.0.0.2' }[host]
    if (address === undefined) throw new Error('ENOTFOUND')
    return [{ address, family: 4 }]
  },
}

const get = (url: string, own: Partial<FetchRules> = {}, ms = 5000) =>
  fetchFile(url, { ...rules, ...own }, AbortSignal.timeout(ms))

test('a file on the web is fetched, by name, by number, and over a few redirects', async () => {
  for (const url of [`http://web.example:${port}/file`, `http://127.0.0.1:${port}/file`]) {
    expect(Buffer.from(await get(url))).toEqual(file)
  }
  expect(Buffer.from(await get(`http://web.example:${port}/hops/2`))).toEqual(file)
  await get(`http://web.example:${port}/file`, { userAgent: 'studio/1' })
  expect(seen.at(-1)).toBe(`web.example:${port} /file studio/1`)
})

test.each<readonly [string, () => string, string]>([
  ['a name of a network within', () => `http://inner.example:${innerPort}/`, 'forbidden'],
  ['its number', () => `http://127.0.0.2:${innerPort}/`, 'forbidden'],
  ['its number in decimal', () => `http://${0x7f000002}:${innerPort}/`, 'forbidden'],
  ['its number in octal and hexadecimal', () => `http://0177.0.0x2:${innerPort}/`, 'forbidden'],
  ['its number in IPv6', () => `http://[::ffff:127.0.0.2]:${innerPort}/`, 'forbidden'],
  ['loopback in IPv6', () => `http://[::1]:${innerPort}/`, 'forbidden'],
  ['a redirect there by number', () => `http://web.example:${port}/to?http://127.0.0.2:${innerPort}/`, 'forbidden'],
  ['a redirect there by name', () => `http://web.example:${port}/to?http://inner.example:${innerPort}/`, 'forbidden'],
  ['a redirect to the cloud’s own service', () => `http://web.example:${port}/to?http://169.254.169.254/`, 'forbidden'],
  ['a redirect to a file', () => `http://web.example:${port}/to?file:///etc/passwd`, 'bad-request'],
  [
    'a redirect with a password',
    () => `http://web.example:${port}/to?http://a:b@web.example:${port}/file`,
    'bad-request',
  ],
  ['another scheme', () => 'gopher://web.example/', 'bad-request'],
  ['a password', () => `http://a:b@web.example:${port}/file`, 'bad-request'],
  ['no host', () => 'http://', 'bad-request'],
  ['an unknown name', () => 'http://nowhere.example/', 'missing-file'],
  ['more redirects than are followed', () => `http://web.example:${port}/hops/3`, 'missing-file'],
  ['a circle of redirects', () => `http://web.example:${port}/circle`, 'missing-file'],
  ['a page that is not there', () => `http://web.example:${port}/none`, 'missing-file'],
  ['what is compressed', () => `http://web.example:${port}/gzip`, 'missing-file'],
  ['what breaks off', () => `http://web.example:${port}/cut`, 'missing-file'],
  ['what says that it is too large', () => `http://web.example:${port}/announced`, 'too-large'],
  ['what never ends', () => `http://web.example:${port}/endless`, 'too-large'],
])('%s is refused', async (_, url, code) => {
  const refused = await get(url()).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(refused).toMatchObject({ code, message: expect.not.stringMatching(/secret|127\.0\.0/) as string })
  expect(visits).toBe(0)
})

test('a name with one address that is not public is not reached at all', async () => {
  const before = seen.length
  const both = [
    { address: '127.0.0.1', family: 4 },
    { address: '127.0.0.2', family: 4 },
  ]
  await expect(get(`http://web.example:${port}/file`, { resolve: async () => both })).rejects.toMatchObject({
    code: 'forbidden',
  })
  expect([seen.length, visits]).toEqual([before, 0])
})

test('a name that leads elsewhere the second time it is asked for is asked for once', async () => {
  let asked = 0
  const resolve = async () => [{ address: asked++ === 0 ? '127.0.0.1' : '127.0.0.2', family: 4 }]
  expect(Buffer.from(await get(`http://rebound.example:${port}/file`, { resolve }))).toEqual(file)
  expect([asked, visits]).toEqual([1, 0])
  // And where a redirect makes it be asked for again, the new answer is looked at as the first.
  asked = 0
  const again = get(`http://rebound.example:${port}/to?http://rebound.example:${innerPort}/`, { resolve })
  await expect(again).rejects.toMatchObject({ code: 'forbidden' })
  expect([asked, visits]).toEqual([2, 0])
})

test.each(['/silent', '/trickle'])('a server that takes its time (%s) is left in time', async (path) => {
  const start = performance.now()
  await expect(get(`http://web.example:${port}${path}`, {}, 300)).rejects.toMatchObject({ code: 'missing-file' })
  expect(performance.now() - start).toBeLessThan(4000)
})
