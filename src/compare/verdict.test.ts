import { expect, test } from 'vitest'
import { meanOf, shareOf } from '../metrics/interval.ts'
import type { MeasuredCell, MeasuredComparison } from './measureCells.ts'
import { judgeCells, verdictOf } from './verdict.ts'

const sound = { detail: 300, saturation: 100, contrast: 50 }

/** A cell of four pictures whose numbers lie evenly around their means. */
function cell(clip: number, training: number | undefined, looks: Partial<typeof sound> = {}, copies = 0): MeasuredCell {
  const around = (mean: number, by: number) => [mean - by, mean - by / 3, mean + by / 3, mean + by]
  const clipScores = around(clip, 0.3)
  const trainingSimilarities = training === undefined ? undefined : around(training, 0.01)
  return {
    clipScore: meanOf(clipScores),
    trainingSimilarity: trainingSimilarities && meanOf(trainingSimilarities),
    baseSimilarity: meanOf(around(0.9, 0.01)),
    nearCopies: { share: shareOf(copies, 4), nearest: 0.2 },
    ...sound,
    ...looks,
    scores: { clipScores, trainingSimilarities },
  }
}

const judged = (comparison: MeasuredComparison) => judgeCells(comparison, ['a-000001', 'a'], [0.4, 0.8])
const verdict = (comparison: MeasuredComparison) => verdictOf(judged(comparison), comparison.base)
const base = cell(30, 0.5)

test('of cells without a fault the one nearest to the training pictures is the best', () => {
  const { best, reasons } = verdict({
    base,
    training: sound,
    cells: [
      [cell(29.8, 0.55), cell(29.5, 0.62)],
      [cell(29.6, 0.7), cell(26, 0.85)],
    ],
  })
  expect(best).toEqual({ version: 'a', strength: 0.4 })
  expect(reasons[0]).toContain('a at 0.4 is the best')
  expect(reasons[0]).toContain('similarity 0.700 against 0.500')
  expect(reasons[0]).toContain('29.6 against 30.0, -1.3 %')
  expect(reasons.at(-1)).toBe('a: sound at 0.4; the prompt is no longer followed at 0.8.')
})

test('of cells that are as near within one standard error, the one that follows its prompt best', () => {
  const noisy = (clip: number, values: readonly number[]): MeasuredCell => ({
    ...cell(clip, undefined),
    trainingSimilarity: meanOf(values),
    scores: { clipScores: [clip, clip, clip, clip], trainingSimilarities: values },
  })
  const { best, reasons } = verdict({
    base,
    training: sound,
    cells: [
      [noisy(29.9, [0.74, 0.68, 0.71, 0.69]), noisy(29.1, [0.68, 0.73, 0.69, 0.73])],
      [cell(29.5, 0.6), cell(29.5, 0.6)],
    ],
  })
  // The means differ by 0.0025, and the standard error of their differences is 0.026.
  expect(best).toEqual({ version: 'a-000001', strength: 0.4 })
  expect(reasons[1]).toContain('1 other cell is as near')
})

test('what over-fitting does to pictures is named where it begins', () => {
  const cells = [
    [cell(30, 0.6, { detail: 170 }), cell(30, 0.6, { saturation: 50 })],
    [cell(30, 0.6, { contrast: 29 }), cell(30, 0.6, {}, 1)],
  ]
  expect(
    judged({ base, training: sound, cells })
      .flat()
      .map(({ faults }) => faults),
  ).toEqual([['detail'], ['grey'], ['grey'], ['copies']])
  const { best, reasons } = verdict({ base, training: sound, cells })
  expect(best).toBeUndefined()
  expect(reasons[0]).toContain('Every cell has a fault')
  expect(judged({ base, training: sound, cells: [[cell(30, 0.6, { saturation: 171 })]] })[0]![0]!.faults).toEqual([
    'burnt',
  ])
})

test('flat training pictures are no loss of detail: the lower of both standards counts', () => {
  const flat = { detail: 60, saturation: 100, contrast: 50 }
  const cells = [[cell(30, 0.6, { detail: 80 })]]
  expect(judged({ base, training: flat, cells })[0]![0]!.faults).toEqual([])
  expect(judged({ base, training: undefined, cells })[0]![0]!.faults).toEqual(['detail'])
})

test('a network that has learnt nothing is not called the best', () => {
  const { best, reasons } = verdict({ base, training: sound, cells: [[cell(30, 0.5), cell(30, 0.499)]] })
  expect(best).toBeUndefined()
  expect(reasons[0]).toContain('too little was learnt')
})

test('without training pictures the largest sound change is named, with a warning; without a judge nothing is', () => {
  const near = { ...cell(30, undefined), baseSimilarity: meanOf([0.6, 0.7]) }
  const cells = [[cell(30, undefined), near]]
  const told = verdict({ base: cell(30, undefined), training: undefined, cells })
  expect(told.best).toEqual({ version: 'a-000001', strength: 0.8 })
  expect(told.reasons[1]).toContain('No training pictures were given')
  const blind = { ...base, clipScore: undefined, scores: { clipScores: undefined, trainingSimilarities: undefined } }
  expect(verdict({ base: blind, training: undefined, cells: [[blind]] }).best).toBeUndefined()
})
