import type { Interpolation } from '../image/interpolate.ts'

/** Ways of enlarging a latent for the second pass, by A1111's names. */
export const latentUpscalers: ReadonlyMap<string, Interpolation> = new Map([
  ['Latent', 'bilinear'],
  ['Latent (antialiased)', 'bilinear-antialias'],
  ['Latent (bicubic)', 'bicubic'],
  ['Latent (bicubic antialiased)', 'bicubic-antialias'],
  ['Latent (nearest)', 'nearest'],
  ['Latent (nearest-exact)', 'nearest-exact'],
])
