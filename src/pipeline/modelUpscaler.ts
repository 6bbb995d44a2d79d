import { StudioError } from '../errors.ts'
import type { UpscalerTiles } from './recipe.ts'
import type { SessionPool } from './sessionPool.ts'
import type { UpscaleStep } from './upscale.ts'

export async function modelUpscaler(path: string, _tiles: UpscalerTiles, _pool: SessionPool): Promise<UpscaleStep> {
  throw new StudioError('unsupported', path)
}
