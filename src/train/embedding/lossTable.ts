import { appendFileSync, existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/** A row of the table of losses. */
interface LossRow {
  readonly step: number
  readonly stepsPerEpoch: number
  readonly loss: number
  readonly learnRate: number
}

/** Adds a row to a table of losses as A1111 writes it: CSV with a head, epochs and their steps counted from 0. */
export function appendLoss(path: string, { step, stepsPerEpoch, loss, learnRate }: LossRow): void {
  const head = existsSync(path) ? '' : 'step,epoch,epoch_step,loss,learn_rate\r\n'
  mkdirSync(dirname(path), { recursive: true })
  const epoch = Math.floor((step - 1) / stepsPerEpoch)
  appendFileSync(path, `${head}${step},${epoch},${(step - 1) % stepsPerEpoch},${loss.toFixed(7)},${learnRate}\r\n`)
}
