import { afterAll, beforeAll, expect, test } from 'vitest'
import { comparePictures } from '../src/image/comparePictures.ts'
import type { Rgb8 } from '../src/image/picture.ts'
import { generate } from '../src/pipeline/generate.ts'
import { openStudio } from '../src/pipeline/studio.ts'
import { recipeFromRequest } from '../src/pipeline/wire/recipeFromRequest.ts'
import { dataFolder } from './parity/dataFolder.ts'

// One recipe, one result: what else was made, beside it or before it, and on how many threads, changes no pixel.

let data: ReturnType<typeof dataFolder>
beforeAll(() => {
  data = dataFolder()
})
afterAll(() => data.remove())

const request = {
  prompt: 'a (red:1.2) cat on [grass:sand:0.5]',
  negative_prompt: 'blurry',
  seed: 41,
  steps: 6,
  width: 128,
  height: 96,
  sampler_name: 'Euler a',
  override_settings: { sd_model_checkpoint: 'tiny-sd1', randn_source: 'NV' },
}

/** The pictures of requests made one after the other in one studio; the last one's are returned. */
async function pictures(threads: number, ...requests: readonly object[]): Promise<Rgb8[]> {
  const studio = openStudio(data.path, { threads })
  try {
    let made: Rgb8[] = []
    for (const body of requests) {
      made = []
      const recipe = await recipeFromRequest(body, 'txt2img', studio)
      for await (const event of generate(studio, recipe)) if (event.kind === 'image') made.push(event.image.picture)
    }
    return made
  } finally {
    await studio.close()
  }
}

const withLora = { ...request, prompt: `${request.prompt} <lora:tinylora:1>` }

test('a picture is the same alone and in the middle of a batch', async () => {
  const [alone] = await pictures(1, request)
  const batch = await pictures(1, { ...request, seed: 39, batch_size: 4 })
  expect(comparePictures(batch[2]!, alone!)).toMatchObject({ largest: 0 })
})

test('a picture is the same before and after one with a LoRA, and another checkpoint', async () => {
  const [alone] = await pictures(1, request)
  const sd2 = { ...request, override_settings: { ...request.override_settings, sd_model_checkpoint: 'tiny-sd2v' } }
  const [after] = await pictures(1, withLora, sd2, request)
  expect(comparePictures(after!, alone!)).toMatchObject({ largest: 0 })
  const [lora] = await pictures(1, withLora)
  const [again] = await pictures(1, request, withLora)
  expect(comparePictures(again!, lora!)).toMatchObject({ largest: 0 })
})

test('a picture is the same the third time, when weights have moved into memory', async () => {
  const [first] = await pictures(1, request)
  const [third] = await pictures(1, request, { ...request, seed: 5 }, request)
  expect(comparePictures(third!, first!)).toMatchObject({ largest: 0 })
})

// The runtime's float32 GEMM would sum narrow products in other slices with other threads; splitSums.ts keeps it from it.
test.each([
  ['without a network', request],
  ['with a LoRA', withLora],
  ['with a LoRA in its convolutions', { ...request, prompt: `${request.prompt} <lora:tinylocon:1>` }],
])('one thread and two give the same picture %s', async (_, body) => {
  const [one] = await pictures(1, body)
  const [two] = await pictures(2, body)
  expect(comparePictures(two!, one!)).toMatchObject({ largest: 0 })
})
