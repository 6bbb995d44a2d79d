import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { dataFolder } from '../parity/dataFolder.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const webui = join(root, 'webui.sh')
let data: ReturnType<typeof dataFolder>
beforeAll(() => {
  data = dataFolder()
})
afterAll(() => data.remove())

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}

interface Launched {
  readonly child: ChildProcess
  readonly stdout: string
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>
}

/** Starts the studio as people do, and waits until it says that it is up. */
function launch(...args: readonly string[]): Promise<Launched> {
  return launchBy(webui, args, 1)
}

/** The same by another script, which says as many lines when it is up. */
async function launchBy(script: string, args: readonly string[], lines: number): Promise<Launched> {
  const environment = { ...process.env, ATHANOR_DATA_DIR: data.path }
  const child = spawn(script, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk)
  })
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) =>
    child.once('exit', (code) => resolve({ code, stderr })),
  )
  let stdout = ''
  for await (const chunk of child.stdout) {
    stdout += String(chunk)
    if (stdout.split('\n').length > lines) return { child, stdout, ended }
  }
  throw new Error(`ended before it was up: ${(await ended).stderr}`)
}

test('the launch line of a web UI starts the server, says what it opens, and ends on request', async () => {
  const port = await freePort()
  const line = `--listen --port ${port} --xformers --enable-insecure-extension-access --skip-install --api`
  const { child, stdout, ended } = await launch(...line.split(' '))
  expect(stdout).toBe(`Running on local URL:  http://127.0.0.1:${port}\n`)
  expect(await (await fetch(`http://127.0.0.1:${port}/healthz`)).json()).toEqual({ status: 'ok' })
  const flags = (await (await fetch(`http://127.0.0.1:${port}/openapi.json`)).json()) as { openapi: string }
  expect(flags.openapi).toBe('3.1.0')
  child.kill('SIGTERM')
  const { code, stderr } = await ended
  expect(code).toBe(0)
  expect(stderr).toContain('everybody who can reach port')
  expect(stderr).toContain('--api-auth NAME:PASSWORD')
  for (const said of ['--xformers: taken', '--enable-insecure-extension-access: taken', '--skip-install: taken']) {
    expect(stderr.split(said)).toHaveLength(2)
  }
})

test('the launch line of a training page starts it, with the curves of trainings on a port of their own', async () => {
  const [port, curves] = [await freePort(), await freePort()]
  const line = `--host 0.0.0.0 --port ${port} --tensorboard-host 127.0.0.1 --tensorboard-port ${curves}`
  const { child, stdout, ended } = await launchBy(join(root, 'run_gui.sh'), line.split(' '), 2)
  expect(stdout).toBe(
    `Running on local URL:  http://127.0.0.1:${port}\nTensorBoard on local URL:  http://127.0.0.1:${curves}\n`,
  )
  const pageAt = async (url: string) => {
    const reply = await fetch(url)
    const text = await reply.text()
    const policy = reply.headers.get('content-security-policy') ?? ''
    for (const [, file] of text.matchAll(/(?:src|href)="(\.\/[^"]+)"/g)) {
      const part = await fetch(new URL(file!, url))
      expect(part.status, file).toBe(200)
      await part.arrayBuffer()
    }
    return { text, policy }
  }
  const training = await pageAt(`http://127.0.0.1:${port}/`)
  expect(training.text).toContain('<h1 id="title">Training</h1>')
  const board = await pageAt(`http://127.0.0.1:${curves}/`)
  expect(board.text).toContain('<h1 id="title">Training curves</h1>')
  for (const { policy, text } of [training, board]) {
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toContain('unsafe')
    // Nothing in the pages would need an exception.
    expect(text).not.toMatch(/<style|style="|<script(?![^>]*\bsrc=)/)
  }
  expect(await (await fetch(`http://127.0.0.1:${curves}/data/runs`)).json()).toEqual([])
  expect((await fetch(`http://127.0.0.1:${port}/index.html`)).status).toBe(200)
  child.kill('SIGTERM')
  expect((await ended).code).toBe(0)
})

test('with a password, or on this machine alone, there is nothing to warn of', async () => {
  const port = await freePort()
  const { child, ended } = await launch('--listen', '--port', String(port), '--api-auth', 'ann:pass:word')
  const statusOf = async (credential: string) =>
    (await fetch(`http://127.0.0.1:${port}/api/v1/queue`, { headers: { authorization: `Basic ${btoa(credential)}` } }))
      .status
  expect([await statusOf('ann:pass:word'), await statusOf('ann:pass')]).toEqual([200, 401])
  child.kill('SIGINT')
  const { code, stderr } = await ended
  expect([code, stderr.includes('warning:')]).toEqual([0, false])
})

test.each([
  [['--no-such-flag'], /unknown option '--no-such-flag'/],
  [['--port', 'many'], /expected a whole number/],
  [['--api-auth', 'nobody'], /expected NAME:PASSWORD/],
  [['--tls-keyfile', 'key.pem'], /each needs the other/],
  [['--workers', '0'], /without --queue nobody would do the work/],
  [['--images', 's3://pictures'], /--images: means something with --queue only/],
  [['--queue', 'http://127.0.0.1'], /--queue: expected redis/],
  [['--queue', 'redis://127.0.0.1:1'], /the queue cannot be reached/],
  [['worker'], /--queue: expected the address/],
])('%j is refused with a reason', async (args, reason) => {
  const stderr = await new Promise<string>((resolve) => {
    execFile(webui, args, { env: { ...process.env, ATHANOR_DATA_DIR: data.path } }, (_, __, text) => resolve(text))
  })
  expect(stderr).toMatch(reason)
})
