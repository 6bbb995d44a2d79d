import { z } from 'zod'
import type { CaptionedRow } from '../dataset/captioned/importPictures.ts'
import type { EmojiRow } from '../dataset/emoji/buildEmojiSet.ts'
import { type DrawContent, sceneDrawer } from '../dataset/emoji/drawScene.ts'
import { onGround, whiteGround } from '../dataset/emoji/ground.ts'
import { subjectPool } from '../dataset/emoji/subjectPool.ts'
import type { PictureStore } from '../dataset/pictureStore.ts'
import { rowsOf, type Split } from '../dataset/split.ts'
import { isCaptioned, type TrainingRow } from '../dataset/trainingRow.ts'
import { StudioError } from '../errors.ts'
import { resample } from '../image/resample.ts'
import { count, positive, share } from './runConfig.ts'

/** What captioned pictures of a run show. */
export const scenesSchema = z.strictObject({
  /** Weight of each subject by its group; groups that are not named are left out. */
  groups: z.record(z.string(), z.number().nonnegative()),
  /** Slugs of subjects drawn `favouriteWeight` times as often as the others of their group. */
  favourites: z.array(z.string()),
  favouriteWeight: positive,
  turned: share,
  pairs: share,
  small: share,
  /** Whether colours of things that the others are never trained on are drawn: for whoever judges them. */
  hasHeldOutPairs: z.boolean(),
  /** How many of 25 parts of the drawings are held out. */
  folds: count,
})

export type Scenes = z.output<typeof scenesSchema>

/**
 * Draws pictures of a split with what their captions are made of: scenes as a run's configuration says where the store
 * has drawings, or else the captioned pictures themselves.
 */
export function drawerOf(
  store: PictureStore<TrainingRow>,
  split: Split,
  scenes: Scenes | undefined,
  size: number,
): DrawContent {
  if (store.rows.every(isCaptioned)) return captionedDrawer(store as PictureStore<CaptionedRow>, split, size)
  if (scenes) return scenesOf(store as PictureStore<EmojiRow>, split, scenes, size)
  const problem = 'missing, and the store has drawings without captions'
  throw new StudioError('bad-request', `scenes: ${problem}`, { field: 'scenes' })
}

function captionedDrawer(store: PictureStore<CaptionedRow>, split: Split, size: number): DrawContent {
  const numbers = rowsOf(store.rows, split)
  return (draws) => {
    const number = draws.pick(numbers)
    const picture = onGround(resample(store.read(number), size, size, 'lanczos'), whiteGround)
    return { scene: { captions: store.rows[number]!.captions }, picture }
  }
}

function scenesOf(store: PictureStore<EmojiRow>, split: Split, scenes: Scenes, size: number): DrawContent {
  const slugs = new Set(store.rows.map(({ slug }) => slug))
  const stranger = scenes.favourites.find((slug) => !slugs.has(slug))
  if (stranger !== undefined) {
    throw new StudioError('unknown-name', `scenes.favourites: no drawing is called ${stranger}`, {
      field: 'scenes.favourites',
    })
  }
  const pool = subjectPool(store.rows, split, scenes, scenes.folds)
  if (pool.subjects === 0) {
    throw new StudioError('bad-request', `scenes.groups: no drawing of the ${split} split is in one of them`, {
      field: 'scenes.groups',
    })
  }
  return sceneDrawer(store, pool, scenes, size)
}
