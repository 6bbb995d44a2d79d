import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { StudioError } from '../../src/errors.ts'
import { toRgb } from '../../src/image/channels.ts'
import { decodePicture } from '../../src/image/decode.ts'
import type { Rgb8 } from '../../src/image/picture.ts'
import { type GeneratedImage, generate } from '../../src/pipeline/generate.ts'
import type { Studio } from '../../src/pipeline/studio.ts'
import { recipeFromRequest } from '../../src/pipeline/wire/recipeFromRequest.ts'
import { goldenStudio } from './goldenStudio.ts'
import { casesOf, golden, type RecordedCase, requestOf } from './recorded.ts'

/** How far a picture may be from the recorded one: the largest difference of a byte, and the mean. */
interface Limits {
  readonly largest: number
  readonly mean: number
}

/** Two runs of the reference with other kernels differ by 1 in a few bytes. */
export const limits: Limits = { largest: 2, mean: 0.05 }

/** The adaptive sampler chooses its steps by comparing numbers that rounding moves. */
const adaptiveLimits: Limits = { largest: 8, mean: 1 }

/** Recorded pictures that depend on more than their request and the arithmetic of the model. */
const oddities: ReadonlyMap<string, { readonly limits?: Limits; readonly leftOver?: Record<string, unknown> }> =
  new Map([
    // img2img of the reference builds its sampler before the options take effect, so this picture was made with the
    // noise levels of the request before it, sd2v/ztsnr; its infotext does not tell.
    ['sd2v/img2img', { leftOver: { sd_noise_schedule: 'Zero Terminal SNR' } }],
    // Steps are chosen chaotically here: runs whose UNet answers differ by 1e-6 are as far from each other as from this.
    ['sd2v/s_dpm_adaptive', { limits: { largest: 40, mean: 4 } }],
    // Histograms are matched in whole levels of Lab, so a byte that rounds the other way may move by many.
    // colorCorrection.test.ts shows that the matching itself is equal to the byte.
    ['img2img/color_correction', { limits: { largest: 12, mean: 0.05 } }],
  ])

/** Defines a test for each case of some groups: its pictures and infotexts must come out again. */
export function replayGroups(groups: readonly string[]): void {
  const studio = goldenStudio()

  describe.each(groups)('%s: recorded pictures and infotexts come out again', (group) => {
    const recorded = casesOf(group)
    test.each(recorded.filter(({ isError }) => !isError).map((each) => [each.id, each] as const))(
      '%s',
      async (_, each) => {
        const images = await replay(studio(), each)
        expect(images.map(({ infotext }) => infotext)).toEqual(each.images.map(({ infotext }) => infotext))
        const { limits: own, leftOver } = oddities.get(each.id) ?? {}
        const pictures = leftOver ? await replay(studio(), each, leftOver) : images
        const allowed = own ?? (each.id.includes('dpm_adaptive') ? adaptiveLimits : limits)
        for (const [i, { file }] of each.images.entries()) {
          const expected = toRgb(await decodePicture(readFileSync(join(golden, file))))
          expectSamePicture(pictures[i]!.picture, expected, allowed)
        }
      },
    )

    const failed = recorded.filter(({ isError }) => isError)
    if (failed.length > 0) {
      test.each(failed.map((each) => [each.id, each] as const))(
        '%s, at which the reference failed',
        async (_, each) => {
          const outcome = await replay(studio(), each).catch((error: unknown) => error)
          if (outcome instanceof StudioError) return
          const [image] = outcome as GeneratedImage[]
          const { width, height } = requestOf(each)
          expect(image!.picture).toMatchObject({ width, height })
          // Sampling that had lost its way would have left nothing but black, white or noise beyond the range.
          const clipped = image!.picture.data.filter((value) => value === 0 || value === 255).length
          expect(clipped / image!.picture.data.length).toBeLessThan(0.2)
        },
      )
    }
  })
}

async function replay(studio: Studio, each: RecordedCase, leftOver: object = {}): Promise<GeneratedImage[]> {
  // One request names a LoRA that is not there, which the reference passes over.
  const lenient = each.id === 'lora/missing'
  const { override_settings, ...request } = requestOf(each)
  const body = { ...request, override_settings: { ...(override_settings as object), ...leftOver } }
  const recipe = await recipeFromRequest(body, each.endpoint, studio, { lenient })
  const images: GeneratedImage[] = []
  for await (const progress of generate(studio, recipe)) {
    if (progress.kind === 'image') images.push(progress.image)
  }
  return images
}

/** Pixels may be as far apart as two runs of the reference are. */
export function expectSamePicture(picture: Rgb8, expected: Rgb8, allowed: Limits): void {
  expect([picture.width, picture.height]).toEqual([expected.width, expected.height])
  let largest = 0
  let sum = 0
  for (const [i, value] of expected.data.entries()) {
    const difference = Math.abs(value - picture.data[i]!)
    largest = Math.max(largest, difference)
    sum += difference
  }
  expect(largest).toBeLessThanOrEqual(allowed.largest)
  expect(sum / expected.data.length).toBeLessThanOrEqual(allowed.mean)
}
