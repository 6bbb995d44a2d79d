import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'athanor-silence-')))
const [dataDir, out, home] = ['data', 'out', 'home'].map((name) => join(folder, name))

beforeAll(() => {
  const checkpoints = join(dataDir!, 'models', 'Stable-diffusion')
  mkdirSync(checkpoints, { recursive: true })
  mkdirSync(home!)
  for (const name of ['tiny-sd1.safetensors', 'tiny-sd1.yaml']) {
    cpSync(join(root, 'test', 'golden', 'models', name), join(checkpoints, name))
  }
  // What the launcher would install or build is not part of a generation.
  execFileSync(process.execPath, [join(root, 'scripts', 'setup.mjs')])
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const generation = [
  ...[process.execPath, join(root, 'scripts', 'launch.mjs'), 'generate', 'a cat', '--size', '64', '--steps', '2'],
  ...['--threads', '2', '--data-dir', dataDir!, '--out', out!, '--preview', join(out!, 'preview.png')],
]

/** Every place where libraries like to leave something is a folder of the test's own. */
const environment = {
  ...process.env,
  HOME: home!,
  USERPROFILE: home!,
  TMPDIR: home!,
  TEMP: home!,
  XDG_CACHE_HOME: home!,
  XDG_CONFIG_HOME: home!,
  XDG_DATA_HOME: home!,
  ORT_DISABLE_TELEMETRY: '',
}

const hasStrace = spawnSync('strace', ['-V']).status === 0

interface Call {
  readonly name: string
  readonly line: string
  readonly paths: readonly string[]
}

/** Runs a command under strace and returns the system calls that touch the network or change files. */
function traced(command: readonly string[]): readonly Call[] {
  const log = join(folder, 'trace.log')
  const calls =
    'socket,connect,bind,sendto,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink'
  const { status, stderr } = spawnSync(
    'strace',
    ['-f', '-qq', '-s', '4096', '-e', `trace=${calls}`, '-o', log, ...command],
    {
      env: environment,
      encoding: 'utf8',
    },
  )
  expect(status, stderr).toBe(0)
  return readFileSync(log, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const name = /^\d+\s+(\w+)\(/.exec(line)?.[1]
      const paths = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((match) => match[1]!)
      return name === undefined ? [] : [{ name, line, paths }]
    })
}

test('a generation leaves nothing outside the data folder and the output', () => {
  execFileSync(generation[0]!, generation.slice(1), { env: environment })
  expect(readdirSync(home!)).toEqual([])
  expect(readdirSync(folder).sort()).toEqual(['data', 'home', 'out'])
  expect(readdirSync(out!)).toContain('preview.png')
})

// Only where strace is installed can the system be asked; CI installs it.
test.runIf(hasStrace)('a generation opens no socket to anywhere and no file for writing elsewhere', () => {
  const calls = traced(generation)
  const sockets = calls.filter(({ name, line }) => name === 'socket' && /AF_INET6?|AF_NETLINK/.test(line))
  expect(sockets.map(({ line }) => line)).toEqual([])
  expect(calls.filter(({ name, line }) => name === 'connect' && !line.includes('AF_UNIX'))).toEqual([])

  const writes = calls.filter(
    ({ name, line }) =>
      !/^(socket|connect|bind|sendto)$/.test(name) && (!name.startsWith('open') || /O_(WRONLY|RDWR|CREAT)/.test(line)),
  )
  expect(writes.length).toBeGreaterThan(0)
  const isOurs = (path: string) => path.startsWith(dataDir!) || path.startsWith(out!) || path.startsWith('/dev/')
  const elsewhere = writes.filter(({ paths, line }) => !line.includes('ENOENT') && !paths.every(isOurs))
  expect(elsewhere.map(({ line }) => line)).toEqual([])
})
