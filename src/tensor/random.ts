import { mt19937 } from './mt19937.ts'
import { philox } from './philox.ts'
import { sizeOf } from './shape.ts'
import type { Tensor } from './tensor.ts'

/** `cpu`: the numbers of PyTorch's CPU generator. `nv`: those of its CUDA generator, computed in software. */
export type RandomSource = 'cpu' | 'nv'

/** An integer of up to 64 bits; negative ones count back from 2^64. */
export type Seed = number | bigint

/** Draws tensors of unit normal numbers, one after the other from the same stream. */
export type NormalStream = (shape: readonly number[]) => Tensor

/** A stream of unit normal tensors, the same as that of a fresh PyTorch generator with this seed. */
export function normalStream(source: RandomSource, seed: Seed): NormalStream {
  // The twister takes the low half of the seed.
  return source === 'cpu' ? torchNormals(mt19937(Number(BigInt.asUintN(32, BigInt(seed))))) : cudaNormal(seed)
}

/**
 * `torch.randint(0, below, [])` as the first draw of a CPU generator, for bounds above 32 bits:
 * two raw numbers, the high word first, reduced modulo the bound.
 */
export function firstTorchInteger(seed: Seed, below: bigint): bigint {
  const next = mt19937(Number(BigInt.asUintN(32, BigInt(seed))))
  const high = BigInt(next())
  return ((high << 32n) | BigInt(next())) % below
}

/** Unit normal tensors as PyTorch draws them on the CPU from the raw numbers of a generator under way. */
export function torchNormals(next: () => number): NormalStream {
  let spare: number | undefined

  /** Box and Muller in double precision, one number at a time: what PyTorch does for short tensors. */
  const scalar = (): number => {
    if (spare !== undefined) {
      const value = spare
      spare = undefined
      return value
    }
    const u = uniform53(next)
    const radius = Math.sqrt(-2 * Math.log1p(-uniform53(next)))
    spare = radius * Math.sin(2 * Math.PI * u)
    return radius * Math.cos(2 * Math.PI * u)
  }

  return (shape) => {
    const data = new Float32Array(sizeOf(shape))
    if (data.length < 16) {
      for (let i = 0; i < data.length; i++) data[i] = scalar()
      return { shape, data }
    }
    fillUniform(data, next)
    const whole = data.length - (data.length % 16)
    for (let i = 0; i < whole; i += 16) boxMuller16(data, i)
    if (whole < data.length) {
      // The last block of an odd length is drawn anew and overlaps the one before.
      const tail = data.subarray(data.length - 16)
      fillUniform(tail, next)
      boxMuller16(tail, 0)
    }
    return { shape, data }
  }
}

function uniform53(next: () => number): number {
  const high = next() & 0x1fffff
  return (high * 2 ** 32 + next()) * 2 ** -53
}

function fillUniform(data: Float32Array, next: () => number): void {
  for (let i = 0; i < data.length; i++) data[i] = (next() & 0xffffff) * 2 ** -24
}

const tau = Math.fround(2 * Math.PI)

/** Turns 16 uniform numbers into normal ones: eight radii, then the eight angles that go with them. */
function boxMuller16(data: Float32Array, offset: number): void {
  for (let i = offset; i < offset + 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - data[i]!))
    const angle = Math.fround(tau * data[i + 8]!)
    data[i] = radius * Math.cos(angle)
    data[i + 8] = radius * Math.sin(angle)
  }
}

function cudaNormal(seed: Seed): NormalStream {
  const key = BigInt.asUintN(64, BigInt(seed))
  const low = Number(key & 0xffffffffn)
  const high = Number(key >> 32n)
  const words = new Uint32Array(2)
  let offset = 0

  return (shape) => {
    const data = new Float32Array(sizeOf(shape))
    for (let i = 0; i < data.length; i++) {
      philox(words, offset, 0, i, 0, low, high)
      const u = (words[0]! + 0.5) * 2 ** -32
      const v = (words[1]! + 0.5) * 2 ** -32
      data[i] = Math.sqrt(-2 * Math.log(u)) * Math.sin(2 * Math.PI * v)
    }
    offset++
    return { shape, data }
  }
}
