import { readWeight } from '../files/readWeight.ts'
import type { WeightEntry } from '../files/weights.ts'
import type { Graph } from '../graph/value.ts'
import type { Session } from '../runtime/session.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Difference, LayerAdapter } from './adapter.ts'
import { layerShape } from './families.ts'
import { mergeGraph } from './mergeGraph.ts'
import type { Merge, NetworkPlan } from './plan.ts'

/**
 * The weights that a plan changes, computed in float32: W' takes the place of W under the same name, its bytes in
 * memory. Everything else of the checkpoint stays where it is.
 */
export async function mergeNetworks(
  weights: ReadonlyMap<string, WeightEntry>,
  { merges }: NetworkPlan,
  compile: (graph: Graph) => Promise<Session>,
): Promise<ReadonlyMap<string, WeightEntry>> {
  const merged = new Map<string, WeightEntry>()
  // Layers come in few shapes: a session of each serves them all.
  const sessions = new Map<string, Session>()
  try {
    for (const [path, chain] of merges) {
      const weight = entryOf(weights, `${path}.weight`)
      const changes = chain.filter(({ adapter }) => !isOfBiasAlone(adapter))
      let matrix = readWeight(weight)
      for (const { adapter, strength } of changes) {
        const { graph, feeds, key } = mergeGraph(adapter, layerShape(weight.shape))
        const session = sessions.get(key) ?? (await compile(graph))
        sessions.set(key, session)
        const { rows, inputs, points } = layerShape(weight.shape)
        const { merged: next } = await session.run({
          ...feeds,
          weight: { shape: [rows, inputs * points], data: matrix.data },
          strength: { shape: [], data: Float32Array.of(strength) },
        })
        if (!next) throw new Error('internal: a merge without a result')
        matrix = next
      }
      if (changes.length > 0) merged.set(`${path}.weight`, inMemory(weight, matrix))
      const bias = weights.get(`${path}.bias`)
      if (bias && chain.some(hasBias)) merged.set(`${path}.bias`, inMemory(bias, withBiases(readWeight(bias), chain)))
    }
  } finally {
    for (const session of sessions.values()) await session.dispose()
  }
  return merged
}

function isDifference(adapter: LayerAdapter): adapter is Difference {
  return adapter.family === 'full' || adapter.family === 'norm'
}

function isOfBiasAlone(adapter: LayerAdapter): boolean {
  return isDifference(adapter) && adapter.weight === undefined
}

function hasBias({ adapter }: Merge): boolean {
  return isDifference(adapter) && adapter.bias !== undefined
}

/** b + Σ strength · Δb. */
function withBiases(bias: Tensor, chain: readonly Merge[]): Tensor {
  const data = bias.data.slice()
  for (const { adapter, strength } of chain) {
    if (!isDifference(adapter) || !adapter.bias) continue
    for (const [i, difference] of adapter.bias.data.entries()) data[i]! += strength * difference
  }
  return { shape: bias.shape, data }
}

function inMemory({ name, shape }: WeightEntry, { data }: Tensor): WeightEntry {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return { name, dtype: 'F32', shape, sizeBytes: bytes.length, location: { bytes } }
}

function entryOf(weights: ReadonlyMap<string, WeightEntry>, name: string): WeightEntry {
  const entry = weights.get(name)
  if (!entry) throw new Error(`internal: ${name} is to be merged but absent`)
  return entry
}
