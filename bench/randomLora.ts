import type { WeightEntry } from '../src/files/weights.ts'
import { writeSafetensors } from '../src/files/writeSafetensors.ts'
import { flat } from '../src/lora/keys.ts'
import { prefixes } from '../src/models/keys.ts'
import { toF16 } from '../src/tensor/half.ts'
import { sizeOf } from '../src/tensor/shape.ts'

/** The layers that kohya's trainer adapts by default: those of the UNet's transformers. */
export const transformerLayers = /\.(to_q|to_k|to_v|to_out\.0|net\.0\.proj|net\.2|proj_in|proj_out)\.weight$/
/** Every layer of the UNet that is a matrix or a convolution, as LoCon adapts them. */
export const allLayers = /\.weight$/

/** Writes a LoRA beside layers of the UNet. */
export function writeRandomLora(
  path: string,
  weights: ReadonlyMap<string, WeightEntry>,
  { layers, rank, seed }: { readonly layers: RegExp; readonly rank: number; readonly seed: number },
) {
  let state = seed
  const tensor = (name: string, shape: readonly number[]): WeightEntry => {
    const numbers = Float32Array.from({ length: sizeOf(shape) }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      return state / 2 ** 36
    })
    const bytes = new Uint8Array(toF16(numbers).buffer)
    return { name, dtype: 'F16', shape, sizeBytes: bytes.length, location: { bytes } }
  }
  const entries = [...weights].flatMap(([name, { shape }]) => {
    const layer = name.slice(prefixes.unet.length, -'.weight'.length)
    if (!name.startsWith(prefixes.unet) || !layers.test(name) || shape.length < 2) return []
    const [out, into, ...kernel] = shape as readonly [number, number, ...number[]]
    const key = `lora_unet_${flat(layer)}`
    return [
      tensor(`${key}.lora_down.weight`, [rank, into, ...kernel]),
      tensor(`${key}.lora_up.weight`, [out, rank, ...kernel.map(() => 1)]),
    ]
  })
  writeSafetensors(path, entries)
}
