import { StudioError } from '../../errors.ts'
import { readWeight } from '../../files/readWeight.ts'
import type { WeightEntry, WeightFile } from '../../files/weights.ts'
import { sizeOf } from '../../tensor/shape.ts'
import { asMatrix, type Matrix } from '../matrix.ts'
import { networkEntry, type SavePrecision, scalar } from '../networkFile.ts'
import type { Svd } from '../svd.ts'

/** A low-rank module as its file holds it, by the file's own name of the layer. */
export interface LowRankModule {
  readonly name: string
  /** [out, rank]. */
  readonly up: Matrix
  /** [rank, in·kernel]. */
  readonly down: Matrix
  readonly alpha: number
  /** The kernel's sides of `down`, and those of `up`, as they are written. */
  readonly kernel: readonly number[]
  readonly inputs: number
}

/** The low-rank modules of a kohya file, in the order of their names. Anything else in it is an error. */
export function lowRankModules(file: WeightFile): readonly LowRankModule[] {
  const names = new Set([...file.entries.keys()].map((key) => key.slice(0, key.indexOf('.'))))
  return [...names].sort().map((name) => {
    const entryOf = (part: string) => file.entries.get(`${name}.${part}`)
    const [up, down] = [entryOf('lora_up.weight'), entryOf('lora_down.weight')]
    if (!up || !down || entryOf('dora_scale') || entryOf('lora_mid.weight')) {
      throw new StudioError('unsupported', `${file.path}: ${name} is no plain LoRA (kohya's lora_up and lora_down)`, {
        field: file.path,
      })
    }
    const rank = down.shape[0]!
    const alpha = entryOf('alpha')
    if (sizeOf(up.shape) !== up.shape[0]! * rank) {
      throw new StudioError(
        'bad-file',
        `${file.path}: ${name} has an up of [${up.shape}] and a down of [${down.shape}]`,
        { field: file.path },
      )
    }
    return {
      name,
      up: asMatrix(readWeight(up), up.shape[0]!),
      down: asMatrix(readWeight(down), rank),
      alpha: alpha ? readWeight(alpha).data[0]! : rank,
      kernel: down.shape.slice(2),
      inputs: down.shape[1]!,
    }
  })
}

export function rankOf({ down }: LowRankModule): number {
  return down.shape[0]
}

/** Whether a module is a convolution with more than one point. */
export function hasKernel({ kernel }: Pick<LowRankModule, 'kernel'>): boolean {
  return sizeOf(kernel) > 1
}

/** The tensors of modules in kohya's names and shapes. */
export function moduleEntries(modules: readonly LowRankModule[], precision: SavePrecision): readonly WeightEntry[] {
  return modules.flatMap(({ name, up, down, alpha, kernel, inputs }) => {
    const rank = down.shape[0]
    const ones = kernel.map(() => 1)
    return [
      networkEntry(`${name}.lora_up.weight`, { shape: [up.shape[0], rank, ...ones], data: up.data }, precision),
      networkEntry(`${name}.lora_down.weight`, { shape: [rank, inputs, ...kernel], data: down.data }, precision),
      networkEntry(`${name}.alpha`, scalar(alpha), precision),
    ]
  })
}

/** u·s and vᵀ as the two matrices of a module. */
export function factors({ u, s, v }: Svd): { readonly up: Matrix; readonly down: Matrix } {
  const [m, k] = u.shape
  const up = new Float32Array(m * k)
  for (let i = 0; i < m; i++) for (let j = 0; j < k; j++) up[i * k + j] = u.data[i * k + j]! * s[j]!
  const n = v.shape[0]
  const down = new Float32Array(k * n)
  for (let i = 0; i < n; i++) for (let j = 0; j < k; j++) down[j * n + i] = v.data[i * k + j]!
  return { up: { shape: [m, k], data: up }, down: { shape: [k, n], data: down } }
}

/** Both matrices within ± the value that so large a share of their numbers lies below, as the original's SVD tools do. */
export function clamped({ up, down }: { up: Matrix; down: Matrix }, share: number): { up: Matrix; down: Matrix } {
  const all = Float32Array.from([...up.data, ...down.data]).sort()
  const at = share * (all.length - 1)
  const [low, high] = [all[Math.floor(at)]!, all[Math.ceil(at)]!]
  const limit = Math.abs(low + (at - Math.floor(at)) * (high - low))
  const within = (x: Matrix): Matrix => ({
    ...x,
    data: x.data.map((value) => Math.min(limit, Math.max(-limit, value))),
  })
  return { up: within(up), down: within(down) }
}
