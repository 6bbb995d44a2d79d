import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { dataFolder } from '../parity/dataFolder.ts'

const webui = join(fileURLToPath(new URL('../..', import.meta.url)), 'webui.sh')
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
async function launch(...args: readonly string[]): Promise<Launched> {
  const environment = { ...process.env, ATHANOR_DATA_DIR: data.path }
  const child = spawn(webui, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
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
    if (stdout.includes('\n')) return { child, stdout, ended }
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
