import { readWeight } from '../../src/files/readWeight.ts'
import type { WeightEntry } from '../../src/files/weights.ts'
import { normalStream } from '../../src/tensor/random.ts'
import { targetLayers } from '../../src/train/lora/modules.ts'
import { initialNetwork, networkModules } from '../../src/train/lora/network.ts'
import { networkEntries, saveNetwork } from '../../src/train/lora/saving.ts'

/** Saves a LoCon of rank 2 on both models of a checkpoint, with numbers everywhere, as a training saves one; its path. */
export function writtenNetwork(weights: ReadonlyMap<string, WeightEntry>, folder: string): string {
  const modules = networkModules(targetLayers(weights), {
    family: 'lora',
    dim: 2,
    alpha: 1,
    conv: { dim: 2, alpha: 1 },
    hasEnds: false,
    blocks: undefined,
    convBlocks: undefined,
    frozenBlocks: new Set(),
    hasText: true,
    hasUnet: true,
    isDora: false,
    isRankStabilized: false,
    factor: -1,
  })
  const normal = normalStream('cpu', 3)
  const network = [...initialNetwork(modules, 1, (path) => readWeight(weights.get(`${path}.weight`)!))].map(
    ([name, { shape, data }]) =>
      [name, { shape, data: name.endsWith('up.weight') ? normal(shape).data.map((x) => x / 20) : data }] as const,
  )
  return saveNetwork(
    folder,
    'written',
    networkEntries(modules, new Map(network), 'fp16'),
    new Map([['ss_network_dim', '2']]),
  )
}
