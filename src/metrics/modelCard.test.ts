import { expect, test } from 'vitest'
import { modelCard } from './modelCard.ts'

const measured = { value: 0.5, low: 0.4, high: 0.6 }
const retrieval = { first: measured, firstFive: { value: 0.75, low: 0.7, high: 0.8 } }

test('a card tells every measured number with its interval, and the learning curve', () => {
  const card = modelCard({
    title: 'Tiny',
    fileBytes: 35_400_000,
    parameters: 29_300_000,
    sources: [{ package: 'art@1', licence: 'MIT', author: 'Somebody' }],
    sheet: 'sheet.png',
    limits: '- Hands.',
    runs: [
      {
        name: 'noise predictor',
        steps: Array.from({ length: 40 }, (_, i) => ({ step: i + 1, loss: 1, samples: 32, seconds: 90 })),
        judgements: Array.from({ length: 20 }, (_, i) => ({ step: 2 * (i + 1), error: 1 / (i + 1) })),
      },
    ],
    report: {
      checkpoint: { name: 'tiny', sha256: 'abc' },
      ...{ prompts: 64, seeds: 4, steps: 20, cfgScale: 4 },
      ...{ generated: retrieval, byKind: { unseen: retrieval }, heldOut: retrieval },
      ...{ kid: measured, kidOfTrainingDrawings: measured, copies: measured, copiesOfHeldOut: measured },
      ...{ psnr: { value: 27.31, low: 26.9, high: 27.7 }, psnrOtherStyle: { value: 20, low: 19, high: 21 } },
    },
  })
  expect(card).toContain('| art@1 | MIT | Somebody |')
  expect(card).toContain('| noise predictor | 40 | 1280 | 1.0 |')
  expect(card).toContain('| caption finds its picture among 64 (R@1) | 50.0 % (40.0 % to 60.0 %) |')
  expect(card).toContain('| R@1, unseen prompts | 50.0 % (40.0 % to 60.0 %) | |')
  expect(card).toContain('| PSNR of the autoencoder on held-out renderings | 27.3 dB (26.9 dB to 27.7 dB) |')
  // Seven of the twenty judgements, the last among them.
  expect(card.match(/^\| \d+ \| (?:0\.\d+|1) \|$/gm)).toHaveLength(7)
  expect(card).toContain('| 40 | 0.0500 |')
  expect(card).toContain('- Hands.')
})
