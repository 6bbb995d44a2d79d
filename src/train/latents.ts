import { setImmediate } from 'node:timers/promises'
import { type Draws, drawsFor } from '../dataset/draws.ts'
import type { Content } from '../dataset/emoji/captions.ts'
import type { DrawContent } from '../dataset/emoji/drawScene.ts'
import type { Rgb8 } from '../image/picture.ts'
import { toPixels } from '../image/pixels.ts'
import type { Session } from '../runtime/session.ts'
import { fromF16, toF16 } from '../tensor/half.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { cachedExamples, type ExampleCache } from './exampleCache.ts'
import type { LatentStatistics } from './frozenParts.ts'
import type { RunEvent } from './run.ts'

/** Pictures encoded at once. */
const encodedAtOnce = 8

/** Pictures drawn for each encoder before the first are waited for: while some are drawn, others are encoded. */
const drawnAhead = 4 * encodedAtOnce

/** Mean latents [B, z, h, w] of pictures by an encoder's session. */
export async function encodeMeans(session: Session, pictures: readonly Rgb8[]): Promise<Tensor> {
  const { moments } = await session.run({ picture: toPixels(pictures) })
  const [batch, both, height, width] = moments!.shape as [number, number, number, number]
  const size = (both / 2) * height * width
  const data = new Float32Array(batch * size)
  for (let i = 0; i < batch; i++) data.set(moments!.data.subarray(2 * i * size, (2 * i + 1) * size), i * size)
  return { shape: [batch, both / 2, height, width], data }
}

/** Mean and deviation of each channel over the latents of some scenes. */
export async function measureLatents(
  session: Session,
  draw: DrawContent,
  drawsOf: (index: number) => Draws,
  count: number,
): Promise<LatentStatistics> {
  const sums: number[] = []
  const squares: number[] = []
  let points = 0
  for (let from = 0; from < count; from += encodedAtOnce) {
    const pictures = Array.from({ length: encodedAtOnce }, (_, i) => draw(drawsOf(from + i)).picture)
    const { shape, data } = await encodeMeans(session, pictures)
    const [batch, channels, height, width] = shape as [number, number, number, number]
    const area = height * width
    for (let i = 0; i < data.length; i++) {
      const c = Math.floor(i / area) % channels
      sums[c] = (sums[c] ?? 0) + data[i]!
      squares[c] = (squares[c] ?? 0) + data[i]! ** 2
    }
    points += batch * area
  }
  const means = sums.map((sum) => sum / points)
  return { means, deviations: squares.map((square, c) => Math.sqrt(square / points - means[c]! ** 2)) }
}

export interface LatentCache {
  readonly scenes: readonly Content[]
  /** Latents [B, z, h, w] of scenes by number. */
  latents(numbers: readonly number[]): Tensor
  close(): void
}

export interface LatentMaking {
  readonly folder: string
  readonly what: string
  readonly count: number
  /** What the scenes depend on besides their number. */
  readonly key: string
  readonly seed: number
  readonly draw: DrawContent
  /** Encode side by side. */
  readonly encoders: readonly Session[]
  /** Shape of one latent. */
  readonly shape: readonly [channels: number, height: number, width: number]
}

/** Latents of scenes in half precision on disk, made on first use. */
export async function* cachedLatents(making: LatentMaking): AsyncGenerator<RunEvent, LatentCache> {
  const { draw, seed, encoders, shape } = making
  const size = shape[0] * shape[1] * shape[2]
  const cache: ExampleCache = yield* cachedExamples({
    ...making,
    recordBytes: 2 * size,
    batch: drawnAhead * encoders.length,
    async make(from, to) {
      const encoded: Promise<readonly { scene: Content; record: Uint8Array }[]>[] = []
      for (let start = from; start < to; start += encodedAtOnce) {
        const count = Math.min(encodedAtOnce, to - start)
        const drawn = Array.from({ length: count }, (_, i) => draw(drawsFor(seed, start + i)))
        encoded.push(records(encoders[encoded.length % encoders.length]!, drawn))
        // What was sent to an encoder leaves this thread.
        await setImmediate()
      }
      return (await Promise.all(encoded)).flat()
    },
  })
  return {
    scenes: cache.scenes,
    latents(numbers) {
      const data = new Float32Array(numbers.length * size)
      for (const [i, number] of numbers.entries())
        data.set(fromF16(new Uint16Array(cache.read(number).buffer)), i * size)
      return { shape: [numbers.length, ...shape], data }
    },
    close: cache.close,
  }
}

/** Scenes with their latents in half precision. */
async function records(encoder: Session, drawn: readonly { scene: Content; picture: Rgb8 }[]) {
  const { data } = await encodeMeans(
    encoder,
    drawn.map(({ picture }) => picture),
  )
  const size = data.length / drawn.length
  return drawn.map(({ scene }, i) => {
    const bits = toF16(data.subarray(i * size, (i + 1) * size))
    return { scene, record: new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength) }
  })
}
