/**
 * Writes a checkpoint of a published architecture with random weights, for measuring speed and memory:
 *
 *   npx tsx scripts/randomCheckpoint.ts OUT.safetensors [--kind sd1|sd2] [--width 320] [--dtype F16|F32] [--seed 0]
 *
 * Weights are scaled as an initialiser would, so that activations stay finite; equal arguments give equal files. A
 * width below 320 shrinks the UNet, the VAE and the text encoder alike.
 */
import { parseArgs } from 'node:util'
import type { WeightEntry } from '../src/files/weights.ts'
import { writeSafetensors } from '../src/files/writeSafetensors.ts'
import { type ModelConfig, sd1, sd2 } from '../src/models/configs.ts'
import { modelLayout } from '../src/models/layout.ts'
import { bytesPer } from '../src/tensor/dtype.ts'
import { toF16 } from '../src/tensor/half.ts'
import { sizeOf } from '../src/tensor/shape.ts'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kind: { type: 'string', default: 'sd1' },
    width: { type: 'string', default: '320' },
    dtype: { type: 'string', default: 'F16' },
    seed: { type: 'string', default: '0' },
  },
})
const [path] = positionals
const config = { sd1, sd2 }[options.kind]
const { dtype } = options
if (!path || !config || (dtype !== 'F16' && dtype !== 'F32')) {
  throw new Error(
    'usage: randomCheckpoint.ts OUT.safetensors [--kind sd1|sd2] [--width 320] [--dtype F16|F32] [--seed 0]',
  )
}

const layout = modelLayout(scaled(config, Number(options.width) / 320))
const entries = [...layout].map(([name, shape]) => randomEntry(name, shape))
writeSafetensors(path, entries, new Map([['format', 'pt']]))
const numbers = entries.reduce((sum, { shape }) => sum + sizeOf(shape), 0)
console.log(`${path}: ${entries.length} tensors, ${(numbers / 1e6).toFixed(1)} M numbers`)

/** The same architecture of another width; what stands for a number of heads or groups stays. */
function scaled(full: ModelConfig, factor: number): ModelConfig {
  const by = (width: number) => Math.round(width * factor)
  const { text, unet, vae } = full
  return {
    ...full,
    text: { ...text, width: by(text.width), mlpWidth: by(text.mlpWidth) },
    unet: { ...unet, channels: by(unet.channels), contextWidth: by(unet.contextWidth) },
    vae: { ...vae, channels: Math.max(32, by(vae.channels)) },
  }
}

/** A tensor whose numbers are made when they are written, so that only one is in memory at a time. */
function randomEntry(name: string, shape: readonly number[]): WeightEntry {
  const location = {
    get bytes() {
      const numbers = randomNumbers(name, shape)
      return new Uint8Array(dtype === 'F16' ? toF16(numbers).buffer : numbers.buffer)
    },
  }
  return { name, dtype: dtype as 'F16' | 'F32', shape, sizeBytes: sizeOf(shape) * bytesPer(dtype as 'F16'), location }
}

function randomNumbers(name: string, shape: readonly number[]): Float32Array {
  const numbers = new Float32Array(sizeOf(shape))
  if (shape.length === 1 && name.endsWith('weight')) return numbers.fill(1)
  const width = widthOf(name, shape)
  let state = seedOf(name)
  for (let i = 0; i < numbers.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    numbers[i] = (state / 2 ** 31) * width
  }
  return numbers
}

/** Half the width of the uniform distribution: variance 1/inputs, less at the end of a branch that is added to others. */
function widthOf(name: string, shape: readonly number[]): number {
  if (shape.length === 1) return 0.02
  if (name.includes('embedding')) return 0.03
  const endsBranch = /(out_layers\.3|proj_out|to_out\.0|net\.2|out_proj|fc2|c_proj|conv2)\.weight$/.test(name)
  return (endsBranch ? 0.3 : 1) * Math.sqrt(3 / sizeOf(shape.slice(1)))
}

/** FNV-1a of the tensor's name over the seed. */
function seedOf(name: string): number {
  let hash = 0x811c9dc5 ^ Number(options.seed)
  for (const char of name) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193)
  return hash === 0 ? 1 : hash
}
