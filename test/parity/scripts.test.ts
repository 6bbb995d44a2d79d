import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { toRgb } from '../../src/image/channels.ts'
import { decodePicture } from '../../src/image/decode.ts'
import { runScript } from '../../src/scripts/index.ts'
import type { Processed } from '../../src/scripts/processed.ts'
import { goldenStudio } from './goldenStudio.ts'
import { scriptGroups } from './groups.ts'
import { casesOf, golden, type RecordedCase, requestOf } from './recorded.ts'
import { expectSamePicture, limits } from './replay.ts'

const studio = goldenStudio()

/** Grids that a font was drawn on: another renderer's letters differ, the cells beside them do not. */
const lettered: ReadonlySet<string> = new Set(['xyz/legend', 'script/prompt_matrix'])

describe.each(scriptGroups)('%s: recorded pictures, infotexts and lists come out again', (group) => {
  test.each(casesOf(group).map((each) => [each.id, each] as const))('%s', async (_, each) => {
    const { pictures, info, notes } = await run(each)
    expect(notes.filter((note) => !note.includes('LoRA'))).toEqual([])
    expect(info.infotexts).toEqual(each.infotexts)
    expect(info.all_seeds).toEqual(each.seeds)
    expect(info.all_prompts).toEqual(each.prompts)
    expect(info.index_of_first_image).toBe(each.indexOfFirstImage)
    expect(pictures).toHaveLength(each.images.length)
    expect(pictures.map(({ infotext }) => infotext)).toEqual(each.images.map(({ infotext }) => infotext ?? undefined))
    for (const [i, { file }] of each.images.entries()) {
      const expected = toRgb(await decodePicture(readFileSync(join(golden, file))))
      const { picture } = pictures[i]!
      if (i === 0 && lettered.has(each.id)) {
        expect([picture.width, picture.height]).toEqual([expected.width, expected.height])
      } else expectSamePicture(toRgb(picture), expected, limits)
    }
  })
})

async function run(each: RecordedCase): Promise<Processed> {
  // The requests name LoRAs that are not there, as texts to be replaced, which the reference passes over.
  const task = { endpoint: each.endpoint, body: requestOf(each), lenient: true, floats: [] }
  const running = runScript(studio(), task)
  for (;;) {
    const { done, value } = await running.next()
    if (done) return value
  }
}
