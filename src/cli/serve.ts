import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { StudioError } from '../errors.ts'
import { type Credential, defaultSettings, type ServerSettings } from '../server/settings.ts'
import { addLogOptions, crewOf, type LogOptions, loggerOf } from './crewOptions.ts'
import { addFleetOptions, type FleetOptions, fleetOf } from './fleetOptions.ts'
import { explainQuiet, quietOptions } from './launchFlags.ts'
import { atLeast, collect, wholeNumber } from './numbers.ts'
import { addStudioOptions, type StudioOptions, studioOf } from './studioOptions.ts'

interface ServeOptions extends StudioOptions, FleetOptions, LogOptions {
  readonly listen?: boolean
  readonly serverName?: string
  readonly host?: string
  readonly port?: number
  readonly startPage: 'studio' | 'training'
  readonly tensorboardHost?: string
  readonly tensorboardPort?: number
  readonly disableTensorboard?: boolean
  readonly logdir?: string
  readonly allowedHosts?: string
  readonly nowebui?: boolean
  readonly apiAuth?: string
  readonly gradioAuth?: string
  readonly gradioAuthPath?: string
  readonly apiLog?: boolean
  readonly apiServerStop?: boolean
  readonly addStopRoute?: boolean
  readonly a1111Lenient?: boolean
  readonly subpath?: string
  readonly tlsKeyfile?: string
  readonly tlsCertfile?: string
  readonly corsAllowOrigins?: readonly string[]
  readonly corsAllowOriginsRegex?: string
  readonly timeoutKeepAlive: number
  readonly maxBodyMb: number
  readonly workers: number
  readonly maxQueue: number
  readonly maxQueuePerUser: number
  readonly graceSeconds: number
  readonly cacheDir?: string
}

const defaultPort = 7860
const defaultApiPort = 7861
const defaultTensorboardPort = 6006

/** `serve`: the server, and what `webui.sh` does where no command is named. */
export function serveCommand(): Command {
  const command = new Command('serve')
    .description('Start the studio: its page, the API of stable-diffusion-webui and a queue that loses nothing.')
    .optionsGroup('Reach:')
    .option('--listen', 'let other machines in (0.0.0.0)')
    .option('--server-name <host>', 'the address to listen on')
    .option('--host <host>', 'the same')
    .option('--port <n>', `the port (default: ${defaultPort}, with --nowebui ${defaultApiPort})`, wholeNumber)
    .option('--allowed-hosts <names>', 'names by which browsers may reach it, besides addresses; * for any')
    .option('--subpath <path>', 'the path under which a proxy shows it')
    .option('--tls-keyfile <file>', 'with --tls-certfile: speak HTTPS')
    .option('--tls-certfile <file>', 'the certificate')
    .option('--nowebui', 'only the API')
    .addOption(
      new Option('--start-page <page>', 'what is shown first').choices(['studio', 'training']).default('studio'),
    )
    .option('--tensorboard-port <n>', 'show the curves of trainings on this port as well', wholeNumber)
    .option('--tensorboard-host <host>', 'the address for it (default: this machine alone)')
    .option('--disable-tensorboard', 'do not')
    .option('--logdir <folder>', 'where curves are logged (default: logs/ in the data folder)')
    .option('--timeout-keep-alive <seconds>', 'how long idle connections stay open', wholeNumber, 30)
    .optionsGroup('Safety:')
    .option('--api-auth <user:password,…>', 'who may come in')
    .option('--gradio-auth <user:password,…>', 'the same')
    .option('--gradio-auth-path <file>', 'the same, from a file')
    .option('--cors-allow-origins <origins>', 'web pages that may use the API, by commas', collect)
    .option('--cors-allow-origins-regex <pattern>', 'the same, as a pattern')
    .option('--max-body-mb <n>', 'the largest request', atLeast(1), 64)
    .optionsGroup('API:')
    .option('--api-log', 'a line in the log for each call')
    .option('--api-server-stop', 'let clients end the server')
    .option('--add-stop-route', 'the same')
    .option('--a1111-lenient', 'unknown names fall back silently, as they do in stable-diffusion-webui')
    .optionsGroup('Work:')
    .option('--workers <n>', 'processes that make pictures, each on its share of the cores', atLeast(0), 1)
    .option('--max-queue <n>', 'jobs that may wait', atLeast(1), 1000)
    .option('--max-queue-per-user <n>', 'jobs of one user that may wait', atLeast(1), 1000)
    .option('--grace-seconds <n>', 'how long a job may take to finish when the server is stopped', wholeNumber, 30)
    .option('--cache-dir <folder>', "where the gallery's index lies (default: cache/ of the data folder)")
  addFleetOptions(command)
  addLogOptions(command)
  addStudioOptions(command)
  for (const option of quietOptions()) command.addOption(option)
  if (process.env.IGNORE_CMD_ARGS_ERRORS) command.allowUnknownOption().allowExcessArguments()
  return command.action((options: ServeOptions) => run(options, command))
}

async function run(options: ServeOptions, command: Command): Promise<void> {
  // Other commands neither wait for the server's packages nor let them ask the system about its network.
  const [logger, { startServer }] = await Promise.all([loggerOf(options), import('../server/start.ts')])
  const settings = settingsOf(options)
  for (const line of explainQuiet({ ...options })) logger.info(line)
  const exposure = explainExposure(settings)
  if (exposure !== undefined) process.stderr.write(exposure)

  const studio = studioOf(options)
  const crew = options.workers === 0 ? undefined : crewOf(studio, options, (message) => logger.warn(message))
  let end: (how: 'stop' | 'kill' | 'restart') => void = () => undefined
  const ending = new Promise<'stop' | 'kill' | 'restart'>((resolve) => {
    end = resolve
  })
  const server = await startServer({
    settings: { ...settings, flags: { ...command.opts() } },
    studio,
    crew,
    fleet: await fleetOf(options, studio.dataDir),
    logger,
    limits: { queued: options.maxQueue, queuedPerUser: options.maxQueuePerUser },
    graceSeconds: options.graceSeconds,
    threads: options.threads ?? availableParallelism(),
    shutDown: (how) => end(how),
  })
  // Launchers wait for this line.
  process.stdout.write(`Running on local URL:  ${server.url.replace('0.0.0.0', '127.0.0.1')}${settings.subpath}\n`)
  if (server.curvesUrl !== undefined) {
    process.stdout.write(`TensorBoard on local URL:  ${server.curvesUrl.replace('0.0.0.0', '127.0.0.1')}\n`)
  }

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      end('stop')
      process.once(signal, () => process.exit(130))
    })
  }
  if ((await ending) === 'kill') process.exit(0)
  logger.info('stopping: what runs may finish; a second Ctrl-C ends at once')
  await server.close()
  await studio.close()
}

function settingsOf(options: ServeOptions): ServerSettings {
  const hasPage = options.nowebui !== true
  return {
    ...defaultSettings,
    host: options.serverName ?? options.host ?? (options.listen ? '0.0.0.0' : '127.0.0.1'),
    port: options.port ?? (hasPage ? defaultPort : defaultApiPort),
    allowedHosts: namesOf(options.allowedHosts).map((name) => name.toLowerCase()),
    subpath: subpathOf(options.subpath),
    tls: tlsOf(options),
    hasPage,
    startPage: options.startPage === 'training' ? 'training.html' : 'index.html',
    tensorboard: tensorboardOf(options),
    credentials: [
      ...credentialsOf(options.apiAuth, '--api-auth'),
      ...credentialsOf(options.gradioAuth, '--gradio-auth'),
      ...credentialsOf(
        options.gradioAuthPath === undefined ? undefined : textOf(options.gradioAuthPath, '--gradio-auth-path'),
        '--gradio-auth-path',
      ),
    ],
    cors: {
      origins: (options.corsAllowOrigins ?? []).flatMap(namesOf),
      pattern: patternOf(options.corsAllowOriginsRegex),
    },
    isLenient: options.a1111Lenient === true,
    canBeStopped: options.apiServerStop === true || options.addStopRoute === true,
    logsApiCalls: options.apiLog === true,
    keepAliveSeconds: options.timeoutKeepAlive,
    cacheDir: options.cacheDir,
    limits: { ...defaultSettings.limits, bodyBytes: options.maxBodyMb * 2 ** 20 },
  }
}

/** Where curves are shown on a port of their own: nowhere unless a port or a host is named. */
function tensorboardOf(options: ServeOptions): ServerSettings['tensorboard'] {
  const { tensorboardHost, tensorboardPort, disableTensorboard, logdir, dataDir } = options
  if (disableTensorboard) return undefined
  if (tensorboardPort === undefined && tensorboardHost === undefined) return undefined
  return {
    host: tensorboardHost ?? '127.0.0.1',
    port: tensorboardPort ?? defaultTensorboardPort,
    folder: resolve(logdir ?? join(dataDir, 'logs')),
  }
}

/** What a server that others can reach says when it starts; undefined where nothing is open. */
function explainExposure({ host, credentials, port }: ServerSettings): string | undefined {
  const isLoopback = host === 'localhost' || host === '::1' || host.startsWith('127.')
  if (isLoopback || credentials.length > 0) return undefined
  return [
    `warning: everybody who can reach port ${port} of this machine can make pictures, see and delete all`,
    '  saved ones, and read prompts. To close it: --api-auth NAME:PASSWORD asks for a password, leaving out',
    '  --listen keeps it to this machine. Web pages of others are refused in any case.',
    '',
  ].join('\n')
}

function namesOf(text = ''): readonly string[] {
  return text.split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]))
}

/** `name:password` by commas or lines; only the first colon separates. */
function credentialsOf(text: string | undefined, flag: string): readonly Credential[] {
  const parts = (text ?? '').split(/[,\n]/).filter((part) => part.trim() !== '')
  return parts.map((part) => {
    const colon = part.indexOf(':')
    if (colon < 1) throw new StudioError('bad-request', `${flag}: expected NAME:PASSWORD`, { field: flag })
    return { name: part.slice(0, colon).trim(), password: part.slice(colon + 1).trimEnd() }
  })
}

function subpathOf(text = ''): string {
  const path = text.replace(/^\/+|\/+$/g, '')
  if (!/^[\w\-./~]*$/.test(path)) throw new StudioError('bad-request', `--subpath: "${text}" is no path`)
  return path === '' ? '' : `/${path}`
}

function tlsOf({ tlsKeyfile, tlsCertfile }: ServeOptions): ServerSettings['tls'] {
  if (tlsKeyfile === undefined && tlsCertfile === undefined) return undefined
  if (tlsKeyfile === undefined || tlsCertfile === undefined) {
    throw new StudioError('bad-request', '--tls-keyfile and --tls-certfile: each needs the other')
  }
  return { key: textOf(tlsKeyfile, '--tls-keyfile'), cert: textOf(tlsCertfile, '--tls-certfile') }
}

function patternOf(text: string | undefined): RegExp | undefined {
  if (text === undefined) return undefined
  try {
    return new RegExp(`^(?:${text})$`)
  } catch (cause) {
    throw new StudioError('bad-request', `--cors-allow-origins-regex: "${text}" is no pattern`, { cause })
  }
}

function textOf(path: string, flag: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new StudioError('missing-file', `${flag}: ${path} cannot be read`, { cause, field: flag })
  }
}
