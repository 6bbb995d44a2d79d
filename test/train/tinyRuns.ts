import { join } from 'node:path'
import type { EmojiRow } from '../../src/dataset/emoji/buildEmojiSet.ts'
import { writePictureStore } from '../../src/dataset/pictureStore.ts'
import { picture, type Rgba8 } from '../../src/image/picture.ts'
import type { ClipRun } from '../../src/train/clipConfig.ts'
import type { RunEvent } from '../../src/train/run.ts'
import type { UnetRun } from '../../src/train/unetConfig.ts'
import type { VaeRun } from '../../src/train/vaeConfig.ts'

/** Side of the drawings: the smallest whose latents have two points to a side. */
export const tinySize = 16

const things = ['ball', 'apple', 'fish', 'star', 'cup', 'leaf', 'car', 'bell']

/** Writes 160 discs of different sizes and colours, each named as a thing of its own, to the folder `drawings`. */
export async function writeTinyDrawings(dataDir: string): Promise<void> {
  async function* drawings() {
    for (let i = 0; i < 160; i++) {
      const label = `${things[i % 8]} ${Math.floor(i / 8)}`
      const isOther = i % 4 === 0
      const row: EmojiRow = {
        slug: label.replace(' ', '-'),
        label,
        tags: ['round', 'thing'],
        chineseLabel: undefined,
        chineseTags: [],
        group: 'objects',
        set: isOther ? 'openmoji' : i % 4 === 1 ? 'noto' : 'fluent',
        style: isOther ? 'outlined emoji' : i % 4 === 1 ? 'noto emoji' : 'glossy emoji',
        use: isOther ? 'held-out style' : 'training',
      }
      yield { row, picture: disc(3 + (i % 4), [200, (7 * i) % 200, 60, 255]) }
    }
  }
  await writePictureStore<EmojiRow>(join(dataDir, 'drawings'), tinySize, drawings())
}

function disc(radius: number, color: readonly number[]): Rgba8 {
  const result = picture(4, tinySize, tinySize)
  const centre = (tinySize - 1) / 2
  for (let i = 0; i < tinySize * tinySize; i++) {
    const isInside = Math.hypot((i % tinySize) - centre, Math.floor(i / tinySize) - centre) < radius
    if (isInside) result.data.set(color, 4 * i)
  }
  return result
}

export const tinyOptimizer = {
  kind: 'adamw',
  learningRate: 0.003,
  schedule: 'cosine_with_min_lr',
  warmupSteps: 2,
  minRatio: 0.1,
  weightDecay: 1e-4,
  beta2: 0.99,
  maxGradientNorm: 1,
  averageDecay: 0.99,
} as const

const scenes = {
  groups: { objects: 1 },
  favourites: ['ball-1'],
  favouriteWeight: 2,
  turned: 0.5,
  pairs: 0.2,
  small: 0.1,
  hasHeldOutPairs: false,
  folds: 2,
}

const always = 1e-9

/** Runs that take seconds. */
export const tinyVae: VaeRun = {
  seed: 3,
  data: 'drawings',
  model: { channels: 8, mult: [1, 1, 1, 1], resBlocks: 1, latentChannels: 4, normGroups: 4 },
  stages: [{ steps: 2, batch: 2, size: tinySize }],
  accumulation: 1,
  recomputes: false,
  optimizer: tinyOptimizer,
  loss: { gradient: 0.5, gradientScales: 2, kl: 1e-5 },
  judge: { everySteps: 2, pictures: 2 },
  checkpointSeconds: always,
}

export const tinyClip: ClipRun = {
  seed: 4,
  data: 'drawings',
  text: { layers: 1, width: 16, heads: 2, mlpWidth: 32 },
  window: 12,
  picture: { size: 16, channels: 8, mult: [1, 2], normGroups: 4 },
  embedding: 8,
  loss: 'siglip',
  steps: 5,
  batch: 6,
  accumulation: 1,
  recomputes: false,
  examples: 80,
  scenes,
  optimizer: tinyOptimizer,
  judge: { everySteps: 3, pictures: 10 },
  checkpointSeconds: always,
}

export const tinyUnet: UnetRun = {
  seed: 5,
  data: 'drawings',
  autoencoder: 'training/vae',
  text: 'training/clip',
  prediction: 'v',
  model: {
    channels: 8,
    mult: [1, 2],
    resBlocks: 1,
    attention: [true, true],
    headChannels: 4,
    transformerDepth: 1,
    normGroups: 4,
  },
  steps: 5,
  batch: 3,
  accumulation: 2,
  recomputes: false,
  examples: 20,
  scenes,
  captionDropout: 0.2,
  minSnr: 5,
  noiseOffset: 0,
  zeroTerminalSnr: false,
  optimizer: tinyOptimizer,
  judge: {
    everySteps: 3,
    pictures: 3,
    timesteps: [200, 700],
    samplingSteps: 2,
    cfgScale: 2,
    seed: 1,
    prompts: ['a ball', 'a red apple'],
  },
  checkpointSeconds: always,
}

/** All events of a run. */
export async function allOf(events: AsyncIterable<RunEvent>): Promise<readonly RunEvent[]> {
  const list: RunEvent[] = []
  for await (const event of events) list.push(event)
  return list
}
