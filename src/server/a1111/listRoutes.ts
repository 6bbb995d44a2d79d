import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { listFiles } from '../../pipeline/catalog.ts'
import { namesOf } from '../../scripts/names.ts'
import { scriptInfo, scriptTitles } from '../../scripts/scriptInfo.ts'
import type { Context } from './context.ts'
import { downloadable, downloadableRealEsrgan } from './downloadable.ts'
import * as lists from './lists.ts'
import { route } from './route.ts'

/** Every list of the API. */
export function listRoutes(app: FastifyInstance, { studio, settings: { isLenient } }: Context): void {
  const list = (name: string, summary: string, answer: () => unknown) =>
    route(app, 'GET', `/sdapi/v1/${name}`, { summary }, answer)

  list('samplers', 'Samplers', lists.samplerList)
  list('schedulers', 'Spacings of sigmas', lists.schedulerList)
  list('upscalers', 'Upscalers', () =>
    isLenient ? [...lists.upscalerList(studio), ...downloadable] : lists.upscalerList(studio),
  )
  list('latent-upscale-modes', 'Ways of enlarging latents', lists.latentModeList)
  list('sd-models', 'Checkpoints', () => lists.checkpointList(studio))
  list('sd-vae', 'VAE files', () => lists.vaeList(studio))
  list('hypernetworks', 'Hypernetworks, which cannot be used yet', () =>
    listFiles(join(studio.dataDir, 'models', 'hypernetworks'), ['.pt']).map(({ stem, path }) => ({ name: stem, path })),
  )
  list('face-restorers', 'Face restorers, which cannot be used yet', () =>
    ['CodeFormer', 'GFPGAN'].map((name) => ({ name, cmd_dir: null })),
  )
  list('realesrgan-models', 'Upscalers of the ESRGAN family', () =>
    isLenient ? [...lists.realEsrganList(studio), ...downloadableRealEsrgan] : lists.realEsrganList(studio),
  )
  list('prompt-styles', 'Styles of styles.csv', () => lists.styleList(studio))
  list('embeddings', 'Textual inversions', () => lists.embeddingList(studio))
  list('loras', 'LoRA files', () => lists.loraList(studio))
  list('scripts', 'Titles of scripts', () => ({
    txt2img: scriptTitles('txt2img'),
    img2img: scriptTitles('img2img'),
  }))
  list('script-info', 'Scripts and their arguments', () => scriptInfo(namesOf(studio)))
  list('extensions', 'Extensions, of which there are none', () => [])
}
