import { Narrator } from '../runs/inWords.ts'
import type { TrainingEvent } from '../train/trainingEvents.ts'
import { progressBar } from './progressBar.ts'

/** Shows a training until it ends: a bar on a terminal, a line for every step elsewhere. */
export async function followTraining(events: AsyncIterable<TrainingEvent>): Promise<void> {
  const bar = progressBar(process.stderr, true)
  const narrator = new Narrator()
  for await (const event of events) {
    const lines = narrator.lines(event)
    if (event.kind === 'caching') bar.update(event.done, event.total, 'encoding pictures')
    if (event.kind === 'ended') bar.stop()
    if (event.kind === 'step') {
      const what = `epoch ${event.epoch}/${event.epochs}, avr_loss=${event.averageLoss.toFixed(4)}`
      bar.update(event.step, event.total, what)
      if (process.stderr.isTTY) continue
    }
    printLines(lines)
    if (event.kind === 'ended' && event.reason === 'stopped') process.exitCode = 130
  }
}

export function printLines(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`)
}
