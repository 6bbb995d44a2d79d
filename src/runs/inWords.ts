import { duration } from '../train/planWords.ts'
import type { StepEvent, TrainingEvent } from '../train/trainingEvents.ts'

const endings = {
  done: 'done',
  stopped: 'stopped; its state is saved, from which --resume goes on',
  early: 'ended early, as nothing got better',
}

/** Tells a training's events in lines. */
export class Narrator {
  /** Seconds of a step: a running mean over some twenty, so that the time left is not that of the last step. */
  pace = 0
  #steps = 0

  lines(event: TrainingEvent): readonly string[] {
    switch (event.kind) {
      case 'plan':
        return event.lines
      case 'caching':
      case 'logging':
        return []
      case 'resumed':
        return [`goes on after step ${event.step}, epoch ${event.epoch}`]
      case 'step':
        this.#steps++
        this.pace += (event.seconds - this.pace) / Math.min(this.#steps, 20)
        return [this.#stepLine(event)]
      case 'validated': {
        const isBest = event.isBest ? ', the best so far' : ''
        return [`epoch ${event.epoch}, step ${event.step}: validation loss ${event.loss.toFixed(5)}${isBest}`]
      }
      case 'sampled':
        return [`sample: ${event.path}`]
      case 'saved':
        return [`saved: ${event.path}`]
      case 'ended':
        return [
          `${endings[event.reason]}: ${event.path}`,
          ...(event.best === undefined ? [] : [`best by validation loss: ${event.best}`]),
        ]
    }
  }

  #stepLine({ epoch, epochs, step, total, loss, averageLoss }: StepEvent): string {
    const what = `epoch ${epoch}/${epochs}, avr_loss=${averageLoss.toFixed(4)}`
    const left = duration((total - step) * this.pace)
    return `step ${step}/${total}, ${what}, loss ${loss.toFixed(4)}, ${this.pace.toPrecision(3)} s a step, ${left} left`
  }
}
