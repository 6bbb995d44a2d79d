import { Presets, SingleBar } from 'cli-progress'

/** What a person sees of a running job. */
export interface ProgressBar {
  /** Denoising steps done, of all the job has; `what` names the part at work. */
  update(done: number, total: number, what: string): void
  stop(): void
}

/** A bar with the time left on a terminal, and nothing anywhere else: logs and pipes are not for watching. */
export function progressBar(stream: NodeJS.WriteStream, isWanted: boolean): ProgressBar {
  if (!isWanted || !stream.isTTY) return { update() {}, stop() {} }
  const bar = new SingleBar(
    {
      format: '{what} {bar} {value}/{total}  {duration_formatted} gone, {eta_formatted} left',
      stream,
      hideCursor: true,
      clearOnComplete: true,
      etaBuffer: 20,
      gracefulExit: false,
    },
    Presets.shades_classic,
  )
  let isStarted = false
  return {
    update(done, total, what) {
      if (!isStarted) bar.start(total, 0, { what })
      isStarted = true
      bar.setTotal(total)
      bar.update(done, { what })
    },
    stop() {
      if (isStarted) bar.stop()
    },
  }
}
