import { StudioError } from '../errors.ts'
import { hiresSize } from './hiresSize.ts'
import type { Recipe } from './recipe.ts'

/** Pixels of one picture: beyond this not even its latent's attention fits any memory. */
const maxPixels = 2 ** 26
/** Pixels of one batch. */
const maxBatchPixels = 2 ** 28

/** Refuses sizes that no machine finishes, before anything is allocated for them. */
export function checkSizes(recipe: Recipe): void {
  const { width, height, batchSize, hires } = recipe
  const sizes = [
    { width, height, field: 'width' },
    ...(hires ? [{ ...hiresSize(hires.target, { width, height }).picture, field: 'hr_scale' }] : []),
  ]
  for (const { width: w, height: h, field } of sizes) {
    if (w < 8 || h < 8) {
      throw new StudioError('bad-request', `${field}: a picture of ${w}x${h}, expected at least 8x8`, { field })
    }
    if (w * h > maxPixels) {
      throw new StudioError('too-large', `${field}: a picture of ${w}x${h}, expected at most ${maxPixels} pixels`, {
        field,
      })
    }
    if (w * h * batchSize > maxBatchPixels) {
      throw new StudioError(
        'too-large',
        `batch_size: ${batchSize} pictures of ${w}x${h} at once, expected at most ${maxBatchPixels} pixels`,
        { field: 'batch_size' },
      )
    }
  }
}
