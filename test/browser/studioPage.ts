import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import { dataFolder } from '../parity/dataFolder.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Where systems keep a Chromium. */
const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The browser of this machine, where there is one. */
export const chromiumPath = places.find((path) => path !== undefined && existsSync(path))

/** The built program as users start it, page included, on the tiny checkpoints and a port of its own. */
export async function startStudioServer(): Promise<{
  readonly url: string
  readonly dataDir: string
  readonly close: () => Promise<void>
}> {
  execFileSync(process.execPath, [join(root, 'scripts', 'setup.mjs')], { stdio: 'ignore' })
  const data = dataFolder()
  const flags = [
    '--data-dir',
    data.path,
    '--port',
    '0',
    '--threads',
    '1',
    '--log-level',
    'error',
    '--grace-seconds',
    '0',
  ]
  const server = spawn(process.execPath, [join(root, 'dist', 'cli', 'main.js'), 'serve', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const close = async () => {
    const ended = once(server, 'exit')
    if (server.exitCode === null && server.kill('SIGTERM')) await ended
    data.remove()
  }
  const url = await addressOf(server)
  if (url !== undefined) return { url, dataDir: data.path, close }
  await close()
  throw new Error('the server ended before it listened')
}

async function addressOf({ stdout }: ChildProcess): Promise<string | undefined> {
  if (!stdout) throw new Error('a server without an output')
  for await (const line of createInterface({ input: stdout })) {
    const url = /^Running on local URL: +(http\S+)$/.exec(line)?.[1]
    if (url !== undefined) return url
  }
  return undefined
}

/** Containers have no place for Chromium's own sandbox, and the pages are ours. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox'] })
}

/** A page of a visitor of its own, and what its browser complains about, asks of other places, and is refused. */
export async function openPage(browser: Browser, origin: string): Promise<{ page: Page; complaints: string[] }> {
  const complaints: string[] = []
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 900 } })
  const page = await context.newPage()
  // The worker of a busy machine takes its time to start.
  page.setDefaultTimeout(120_000)
  page.on('console', (message) => {
    // A preview may be asked for in the instant in which its job ends.
    if (message.location().url.includes('/preview?')) return
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !/^(data|blob):/.test(request.url())) complaints.push(request.url())
  })
  return { page, complaints }
}
