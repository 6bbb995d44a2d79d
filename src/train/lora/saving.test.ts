import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { LossMean } from './lossMean.ts'
import { outputNames, staleEpoch, staleStep } from './saving.ts'

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../test/golden-training/vectors/${name}`, import.meta.url), 'utf8')) as unknown

test('files are named and give way to later ones as kohya’s do', () => {
  const recorded = read('names.json') as Record<'epoch' | 'step' | 'last', string> & {
    remove_epoch: Record<string, number | null>
    remove_step: Record<string, number | null>
  }
  const names = outputNames('x')
  expect([names.epoch(3), names.step(12), names.last].map((name) => `${name}.safetensors`)).toEqual([
    recorded.epoch,
    recorded.step,
    recorded.last,
  ])
  // Recorded with two epochs kept, and with the last six steps kept and every sixth saved; there never is an epoch or a step 0.
  for (const [epoch, stale] of Object.entries(recorded.remove_epoch)) {
    expect(staleEpoch(Number(epoch), 1, 2)).toBe(stale || undefined)
  }
  for (const [step, stale] of Object.entries(recorded.remove_step)) {
    expect(staleStep(Number(step), 6, 6), step).toBe(stale || undefined)
  }
  expect(outputNames(undefined).last).toBe('last')
})

test('the mean of losses is kohya’s', () => {
  const { rows } = read('loss_recorder.json') as { rows: readonly (readonly [number, number, number, number])[] }
  const mean = new LossMean()
  for (const [, step, loss, expected] of rows) {
    mean.add(step, loss)
    expect(mean.value).toBeCloseTo(expected, 9)
  }
})
