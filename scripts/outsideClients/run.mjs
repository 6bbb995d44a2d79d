// Programs of others against this server, unmodified: the reference's own API tests, webuiapi from PyPI, two npm clients, and
// schemathesis, which makes up requests from /openapi.json and looks for answers of 500.
//
// usage: node scripts/outsideClients/run.mjs [WORK_FOLDER] [--reference FOLDER] [--only NAME,…] [--examples N]
//
// Python 3, npm and git are needed; packages are installed into the work folder and kept there. The reference's tests are
// taken from --reference, a copy of its `test` folder, or else cloned. Nothing of them comes into the repository.
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = resolve(here, '..', '..')
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    reference: { type: 'string' },
    only: { type: 'string', default: 'reference,webuiapi,npm,schemathesis' },
    examples: { type: 'string', default: '20' },
  },
})
const work = resolve(positionals[0] ?? join(tmpdir(), 'athanor-outside-clients'))
const python = join(work, 'venv', 'bin', 'python')

function run(command, args, options = {}) {
  process.stdout.write(`\n$ ${command} ${args.join(' ')}\n`)
  return spawnSync(command, args, { stdio: 'inherit', cwd: work, ...options }).status === 0
}

function must(command, args, options) {
  if (!run(command, args, options)) throw new Error(`${command} failed`)
}

function installPython() {
  if (!existsSync(python)) must('python3', ['-m', 'venv', 'venv'])
  const packages = ['pytest', 'pytest-base-url', 'requests', 'webuiapi', 'schemathesis']
  if (!existsSync(join(work, 'venv', 'bin', 'schemathesis'))) {
    must(python, ['-m', 'pip', 'install', '--quiet', ...packages])
  }
}

function installNpm() {
  const folder = join(work, 'npm')
  mkdirSync(folder, { recursive: true })
  const dependencies = { 'stable-diffusion-api': '*', 'node-sd-webui': '*' }
  const manifest = { private: true, dependencies, overrides: { sharp: '0.35.5' } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  if (!existsSync(join(folder, 'node_modules'))) must('npm', ['install', '--ignore-scripts'], { cwd: folder })
  return folder
}

/** The four of the reference's tests that need nothing but a server. */
function referenceTests() {
  const folder = join(work, 'reference')
  if (!existsSync(folder)) {
    const source = values.reference ?? join(clone(), 'test')
    cpSync(source, folder, { recursive: true })
  }
  return folder
}

function clone() {
  const folder = join(work, 'stable-diffusion-webui')
  const address = 'https://github.com/AUTOMATIC1111/stable-diffusion-webui'
  if (!existsSync(folder)) must('git', ['clone', '--depth', '1', '--branch', 'v1.10.1', address, folder])
  return folder
}

function freePort() {
  return new Promise((found) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => found(port))
    })
  })
}

/** A server over the tiny recorded checkpoint, in a data folder of its own. */
async function startServer() {
  const data = mkdtempSync(join(tmpdir(), 'athanor-outside-'))
  const models = join(data, 'models', 'Stable-diffusion')
  mkdirSync(models, { recursive: true })
  for (const name of ['tiny-sd1.safetensors', 'tiny-sd1.yaml']) {
    symlinkSync(join(root, 'test', 'golden', 'models', name), join(models, name))
  }
  const port = await freePort()
  const program = join(root, 'dist', 'cli', 'main.js')
  const flags = ['--data-dir', data, '--port', String(port), '--nowebui', '--api-server-stop', '--log-level', 'error']
  const server = spawn(process.execPath, [program, 'serve', ...flags], { stdio: ['ignore', 2, 2] })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    if (server.exitCode !== null) throw new Error('the server did not start')
    const reply = await fetch(`${url}/readyz`).catch(() => undefined)
    if (reply?.ok) break
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  const stop = async () => {
    server.kill('SIGTERM')
    await ended
    rmSync(data, { recursive: true, force: true })
  }
  return { url, port, stop }
}

const clients = {
  reference: ({ url }) => {
    const tests = ['test_txt2img.py', 'test_img2img.py', 'test_extras.py', 'test_utils.py']
    return run(python, ['-m', 'pytest', '-q', '--base-url', url, ...tests], { cwd: referenceTests() })
  },
  webuiapi: ({ port }) => run(python, [join(here, 'webuiapiClient.py'), '127.0.0.1', String(port)]),
  npm: ({ url }) => run(process.execPath, [join(here, 'npmClients.mjs'), url], { cwd: installNpm() }),
  // What would end the server is left out; that it ends is tested elsewhere.
  schemathesis: ({ url }) =>
    run(join(work, 'venv', 'bin', 'schemathesis'), [
      ...[
        'run',
        `${url}/openapi.json`,
        '--url',
        url,
        '--checks',
        'not_a_server_error',
        '--max-examples',
        values.examples,
      ],
      ...['--exclude-path-regex', 'server-(stop|kill|restart)|/events', '--request-timeout', '600'],
    ]),
}

mkdirSync(work, { recursive: true })
installPython()
const results = []
for (const name of values.only.split(',')) {
  const server = await startServer()
  results.push([name, clients[name](server)])
  await server.stop()
}
process.stdout.write('\n')
for (const [name, isPassed] of results) process.stdout.write(`${isPassed ? 'passed' : 'FAILED'}  ${name}\n`)
process.exit(results.every(([, isPassed]) => isPassed) ? 0 : 1)
