import { encodePng } from '../image/encode.ts'
import { gridRows, pictureGrid } from '../image/grid.ts'
import type { Preview } from '../jobs/job.ts'
import { previewPictures } from '../pipeline/preview.ts'
import type { Studio } from '../pipeline/studio.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** What a batch will look like, as one small picture. */
export async function showPreview(studio: Studio, denoised: Tensor): Promise<Omit<Preview, 'number'>> {
  const pictures = await previewPictures(studio, denoised)
  const grid = pictureGrid(pictures, gridRows(pictures.length, 'square', pictures.length))
  return { width: grid.width, height: grid.height, png: await encodePng(grid) }
}
