import type { Rgb8 } from '../../image/picture.ts'
import { dot } from '../quality/copies.ts'
import type { Clip } from './clip.ts'
import type { Scored } from './tagger.ts'

/** Words that exclude each other: CLIP says which fits best, not whether one fits at all. */
const questions: readonly (readonly string[])[] = [
  ['1girl', '1boy', 'multiple people', 'animal', 'building', 'landscape', 'food', 'vehicle', 'object'],
  ['photo', 'anime', 'painting', 'sketch', '3d render', 'icon'],
  ['close-up', 'portrait', 'upper body', 'full body', 'wide shot'],
  ['simple background', 'outdoors', 'indoors'],
  ['white background', 'dark background', 'colorful background'],
  ['black hair', 'brown hair', 'blonde hair', 'red hair', 'blue hair', 'white hair', 'no hair'],
  ['long hair', 'short hair'],
  ['smile', 'expressionless', 'open mouth', 'angry', 'crying', 'closed eyes'],
  ['standing', 'sitting', 'lying', 'walking', 'running'],
  ['looking at viewer', 'looking away', 'from behind', 'from side'],
  ['day', 'night', 'sunset'],
  ['dress', 'shirt', 'suit', 'uniform', 'coat', 'swimsuit', 'armor'],
  ['hat', 'glasses', 'mask', 'bare head'],
]

/**
 * Tags by CLIP without any training for them (Radford et al. 2021, 3.1): each question's words compete by the softmax of
 * their similarities to the picture, so scores are shares within a question.
 */
export async function openZeroShot(clip: Clip): Promise<(source: Rgb8) => Promise<readonly Scored[]>> {
  const texts = await Promise.all(
    questions.map((words) => clip.texts(words.map((word) => `a picture of ${word.replace(/^1/, 'one ')}`))),
  )
  return async (source) => {
    const picture = await clip.picture(source)
    return questions.flatMap((words, q) => {
      const odds = texts[q]!.map((text) => Math.exp(clip.scale * (dot(text, picture) - 1)))
      const total = odds.reduce((sum, value) => sum + value, 0)
      return words.map((tag, i): Scored => ({ tag, category: 'general', score: total > 0 ? odds[i]! / total : 0 }))
    })
  }
}
