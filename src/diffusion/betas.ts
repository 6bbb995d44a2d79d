import { fromF16, toF16 } from '../tensor/half.ts'

/** How training added noise: √β rises linearly over the timesteps. */
export interface Betas {
  readonly start: number
  readonly end: number
  readonly timesteps: number
  /** The noise was stretched so that the last timestep is noise alone. */
  readonly isZeroTerminal?: boolean
}

/**
 * ᾱ of training by timestep: the share of the picture's variance left in the noised latent,
 * Π (1 − β) with β = (linear from √start to √end)².
 */
export function alphasCumprod({ start, end, timesteps, isZeroTerminal = false }: Betas): Float32Array {
  const alphas = new Float32Array(timesteps)
  const step = (Math.sqrt(end) - Math.sqrt(start)) / (timesteps - 1)
  let product = 1
  for (let t = 0; t < timesteps; t++) {
    product *= 1 - (Math.sqrt(start) + step * t) ** 2
    alphas[t] = product
  }
  return isZeroTerminal ? withZeroTerminalSnr(alphas) : alphas
}

/**
 * ᾱ shifted and stretched so that the last timestep is noise alone (Lin et al. 2024, Algorithm 1). The last value
 * stays a little above zero, as σ would be infinite there.
 */
export function withZeroTerminalSnr(alphas: Float32Array): Float32Array {
  const roots = alphas.map(Math.sqrt)
  const first = roots[0]!
  const last = roots.at(-1)!
  const scale = Math.fround(first / Math.fround(first - last))
  const rescaled = roots.map((root) => Math.fround(Math.fround(root - last) * scale) ** 2)
  rescaled[rescaled.length - 1] = 4.8973451890853435e-8
  return rescaled
}

/** ᾱ as half precision holds it: what generations on half-precision models started from before A1111 1.7. */
export function downcast(alphas: Float32Array): Float32Array {
  return fromF16(toF16(alphas))
}
