import { openWeights } from '../files/openWeights.ts'
import { stampOf } from '../files/remembered.ts'
import { detectUpscaler, upscalerGraph } from '../models/esrgan.ts'
import { upscaleInTiles } from '../models/upscaleInTiles.ts'
import type { UpscalerTiles } from './recipe.ts'
import type { SessionPool } from './sessionPool.ts'
import type { UpscaleStep } from './upscale.ts'

/** An upscaler of the ESRGAN family, which enlarges by the factor it was trained for. */
export function modelUpscaler(path: string, tiles: UpscalerTiles, pool: SessionPool): UpscaleStep {
  const key = `${path} ${stampOf(path)}`
  const network = detectUpscaler(openWeights(path))
  return (source) =>
    upscaleInTiles(source, tiles, network.multiple, async (picture) => {
      const session = await pool.get('upscaler', key, 'mapped', () => upscalerGraph(network))
      const { enlarged } = await session.run({ picture })
      if (!enlarged) throw new Error('internal: an upscaler without a picture')
      return enlarged
    })
}
