// Makes a clone ready to run: installs the locked packages when they are missing or stale, builds when asked and stale.
// Plain JavaScript without packages, because it runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

const oldestNode = [20, 15]

function fingerprint(files) {
  const hash = createHash('sha256')
  for (const file of files)
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
      .update('\0')
  return hash.digest('hex')
}

function filesUnder(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .sort()
}

const isFresh = (stamp, mark) => existsSync(join(root, stamp)) && readFileSync(join(root, stamp), 'utf8') === mark

function step(title, command, args, env = {}) {
  process.stderr.write(`${title}\n`)
  // npm is a .cmd file on Windows, which only a shell can start; the arguments are constants.
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...env },
    shell: process.platform === 'win32',
  })
  if (status === 0) return
  process.stderr.write(
    `${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ` with status ${status}`}\n`,
  )
  process.exit(1)
}

/** Ends the process with advice when this Node is too old to run the program. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return
  process.stderr.write(`Athanor needs Node ${oldestNode.join('.')} or newer; this is ${process.versions.node}.\n`)
  process.exit(1)
}

/** Installs exactly what the lockfile names, unless that was done already. */
export function ensureInstalled() {
  const mark = fingerprint(['package.json', 'package-lock.json'])
  const stamp = 'node_modules/.athanor-installed'
  if (isFresh(stamp, mark)) return
  step('Installing packages (once)…', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync(join(root, stamp), mark)
}

/** Compiles src/ and builds web/ into dist/, unless dist/ was made from these very sources. A package has neither. */
export function ensureBuilt() {
  if (!existsSync(join(root, 'src'))) return
  const isSource = (file) => !/\.test\.tsx?$/.test(file)
  const sources = filesUnder('src').filter(isSource)
  build('Building…', [...sources, 'tsconfig.build.json'], 'dist/.athanor-built', [
    'node_modules/@typescript/native/bin/tsc',
    '-p',
    'tsconfig.build.json',
  ])
  // The page sees the server's types only, and those do not change what it is built to; versions of packages do.
  const page = [...filesUnder('web').filter(isSource), 'package-lock.json']
  build('Building the page…', page, 'dist/web/.athanor-built', [
    'node_modules/vite/bin/vite.js',
    'build',
    'web',
    '--logLevel=warn',
  ])
}

function build(title, sources, stamp, args) {
  const mark = fingerprint(sources)
  if (isFresh(stamp, mark)) return
  // A test that has it built says NODE_ENV=test, and React would come in its slow form.
  step(title, process.execPath, args, { NODE_ENV: 'production' })
  writeFileSync(join(root, stamp), mark)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  checkNode()
  ensureInstalled()
  ensureBuilt()
}
