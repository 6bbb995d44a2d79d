import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readSmallText } from '../../files/smallText.ts'
import type { Rgb8 } from '../../image/picture.ts'
import type { Description } from '../../pipeline/postprocess.ts'
import { dot } from '../quality/copies.ts'
import { openBlip, usualCaptioning } from './blip/openBlip.ts'
import { type Clip, openClip } from './clip.ts'
import { selectTags, usualSelection } from './selectTags.ts'
import { openTagger } from './tagger.ts'
import { openZeroShot } from './zeroShot.ts'

/** Finds words for pictures, as a prompt would have them. */
export interface Describer {
  describe(source: Rgb8): Promise<string>
  dispose(): Promise<void>
}

/** Opens what A1111's interrogation asks: a tagger, or a BLIP and a CLIP, whichever is there. */
export async function openDescriber(wanted: Description, threads: number): Promise<Describer> {
  const { folder, sentence } = wanted
  if (wanted.model === 'deepdanbooru') return openByTagger(wanted, folder!, threads)
  const blip = sentence && (await openBySentence(sentence, threads))
  try {
    const clip = folder === undefined ? undefined : await openByClip(wanted, folder, threads)
    return inTurn([blip, clip].flatMap((each) => each ?? []))
  } catch (error) {
    await blip?.dispose()
    throw error
  }
}

/** What several find, one after the other. */
function inTurn(describers: readonly Describer[]): Describer {
  return {
    async describe(source) {
      const found: string[] = []
      for (const { describe } of describers) found.push(await describe(source))
      return found.filter((words) => words !== '').join(', ')
    },
    async dispose() {
      for (const { dispose } of describers) await dispose()
    },
  }
}

async function openBySentence(
  { path, beams, ...lengths }: NonNullable<Description['sentence']>,
  threads: number,
): Promise<Describer> {
  const asked = { ...usualCaptioning, ...lengths, by: { kind: 'beams', beams } } as const
  const { caption, dispose } = await openBlip(path, asked, { threads })
  return { describe: caption, dispose }
}

async function openByTagger(wanted: Description, folder: string, threads: number): Promise<Describer> {
  const { score, dispose } = await openTagger(folder, { threads, enlargesSmall: false })
  const { threshold, isSorted, hasSpaces, escapesBrackets, exclude, hasScores } = wanted
  const selection = {
    ...usualSelection,
    thresholds: { general: threshold, character: threshold },
    order: isSorted ? 'alphabet' : 'score',
    ...{ hasSpaces, escapesBrackets, exclude, hasScores },
  } as const
  return { describe: async (source) => selectTags(await score(source), selection).join(', '), dispose }
}

/**
 * By CLIP: of every list of words in the folder `lists` those that are most like the picture, one of each, or as many as the
 * list's name says (`flavors.top3.txt`). Without lists, what fits best of a few questions.
 */
async function openByClip(
  { lists, hasScores, ...limits }: Description,
  folder: string,
  threads: number,
): Promise<Describer> {
  const clip = await openClip(folder, { threads })
  const rankers = await rankersOf(clip, lists, limits)
  const spelled = (text: string, score: number) => (hasScores ? `(${text}:${score.toFixed(3)})` : text)
  if (rankers.length === 0) {
    const ask = await openZeroShot(clip)
    const selection = { ...usualSelection, thresholds: { general: 0.5, character: 0.5 }, hasScores }
    return { describe: async (source) => selectTags(await ask(source), selection).join(', '), dispose: clip.dispose }
  }
  return {
    async describe(source) {
      const picture = await clip.picture(source)
      return rankers
        .flatMap((rank) => rank(picture))
        .map(([text, score]) => spelled(text, score))
        .join(', ')
    },
    dispose: clip.dispose,
  }
}

type Ranked = readonly [text: string, score: number]

const largestList = 16 * 2 ** 20
/** What CLIP's similarities are multiplied by before they compete. */
const temperature = 100

async function rankersOf(
  clip: Clip,
  folder: string,
  { skippedLists, longestList }: Pick<Description, 'skippedLists' | 'longestList'>,
): Promise<readonly ((picture: Float32Array) => readonly Ranked[])[]> {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.txt')) : []
  const rankers = []
  for (const name of names.sort()) {
    const [, category = '', top = '1'] = /^(.*?)(?:\.top(\d+))?\.txt$/.exec(name) ?? []
    if (skippedLists.includes(category)) continue
    const lines = readSmallText(join(folder, name), largestList).split(/\r?\n/)
    const words = lines.map((line) => line.trim()).filter((line) => line !== '')
    const texts = longestList > 0 ? words.slice(0, longestList) : words
    const vectors = await clip.texts(texts)
    rankers.push((picture: Float32Array) => {
      const odds = vectors.map((vector) => Math.exp(temperature * (dot(vector, picture) - 1)))
      const total = odds.reduce((sum, value) => sum + value, 0)
      const ranked = texts.map((text, i): Ranked => [text, total > 0 ? odds[i]! / total : 0])
      return ranked.sort(([, a], [, b]) => b - a).slice(0, Number(top))
    })
  }
  return rankers
}
