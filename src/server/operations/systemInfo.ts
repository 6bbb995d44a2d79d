import { cpus, freemem, platform, release, totalmem } from 'node:os'
import { version as programVersion } from '../../version.ts'
import type { Services } from '../services.ts'

/** What helps to understand a report of trouble: versions, the machine, the state of the queue. No secrets, no paths. */
export async function systemInfo({ queue, settings }: Services) {
  const { queued, running, isPaused, workers } = await queue.status()
  const [cpu] = cpus()
  return {
    version: programVersion,
    node: process.versions.node,
    platform: `${platform()} ${release()} ${process.arch}`,
    cpu: { model: cpu?.model ?? 'unknown', cores: cpus().length },
    memory: { totalBytes: totalmem(), freeBytes: freemem(), serverBytes: process.memoryUsage.rss() },
    uptimeSeconds: process.uptime(),
    queue: { queued, running, isPaused },
    workers: workers.map(({ id, state, memoryBytes }) => ({ id, state, memoryBytes })),
    isPublic: settings.host !== '127.0.0.1' && settings.host !== 'localhost',
    needsSignIn: settings.credentials.length > 0,
  }
}
