import { z } from 'zod'
import type { EmojiRow } from '../dataset/emoji/buildEmojiSet.ts'
import { type DrawScene, sceneDrawer } from '../dataset/emoji/drawScene.ts'
import type { Split } from '../dataset/emoji/split.ts'
import { subjectPool } from '../dataset/emoji/subjectPool.ts'
import type { PictureStore } from '../dataset/pictureStore.ts'
import { StudioError } from '../errors.ts'
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

/** Draws scenes of a split as a run's configuration says. */
export function drawerOf(store: PictureStore<EmojiRow>, split: Split, scenes: Scenes, size: number): DrawScene {
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
