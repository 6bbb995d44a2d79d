import { availableParallelism } from 'node:os'
import { type Command, Option } from 'commander'
import type { Logger } from 'pino'
import type { Studio } from '../pipeline/studio.ts'
import type { LogFormat } from '../server/operations/logger.ts'
import { ProcessCrew } from '../worker/processCrew.ts'

/** Options of the commands that keep worker processes and write a log. */
export interface LogOptions {
  readonly logLevel: string
  readonly logFormat?: LogFormat
}

export function addLogOptions(command: Command): Command {
  const group = 'Log:'
  return command
    .addOption(
      new Option('--log-level <level>', 'how much is told')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info')
        .helpGroup(group),
    )
    .addOption(
      new Option('--log-format <format>', 'for people or for programs').choices(['text', 'json']).helpGroup(group),
    )
}

export async function loggerOf({ logLevel, logFormat }: LogOptions): Promise<Logger> {
  const { createLogger } = await import('../server/operations/logger.ts')
  return createLogger(logLevel, logFormat ?? (process.stderr.isTTY ? 'text' : 'json'))
}

/** Worker processes over a data folder, each on its share of the cores. */
export function crewOf(
  { dataDir, gpuNoise }: Studio,
  { workers, threads }: { readonly workers: number; readonly threads?: number },
  log: (message: string) => void,
): ProcessCrew {
  const share = threads ?? Math.max(1, Math.floor(availableParallelism() / workers))
  const specs = Array.from({ length: workers }, (_, i) => ({
    id: String(i),
    arguments: { dataDir, gpuNoise, threads: share },
  }))
  return new ProcessCrew({ workers: specs, log })
}
