import { mkdtempSync, rmSync, statSync, truncateSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openWeights } from '../files/openWeights.ts'
import type { WeightEntry } from '../files/weights.ts'
import { writeSafetensors } from '../files/writeSafetensors.ts'
import { symbol } from '../graph/dim.ts'
import { add, cast, conv, gelu, gemm, mul, reshape, slice } from '../graph/ops.ts'
import { Graph, type Value } from '../graph/value.ts'
import { toBF16, toF16 } from '../tensor/half.ts'
import { sizeOf } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { compile } from './compile.ts'
import type { Residence } from './session.ts'
import { WeightStore } from './weightStore.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-runtime-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Numbers that look random, exact in half precision, and the same every time. */
function numbers(shape: readonly number[], salt: number): Tensor {
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => (((i + salt) * 7919) % 257) / 256 - 0.5)
  return { shape, data }
}

const shapes = {
  'conv.weight': [32, 32, 3, 3],
  'conv.bias': [32],
  'narrow.weight': [5, 32, 1, 1],
  'gate.weight': [64, 32],
  'gate.bias': [64],
  'long.weight': [16, 300],
} as const
type Name = keyof typeof shapes
const names = Object.keys(shapes) as Name[]
const weightOf = (name: Name) => numbers(shapes[name], name.length)

function written(file: string, dtype: 'F32' | 'F16' | 'BF16'): ReadonlyMap<string, WeightEntry> {
  const bytesOf = { F32: (x: Float32Array) => x, F16: toF16, BF16: toBF16 }
  const entries = names.map((name): WeightEntry => {
    const { buffer } = bytesOf[dtype](weightOf(name).data)
    const bytes = new Uint8Array(buffer)
    return { name, dtype, shape: shapes[name], sizeBytes: bytes.length, location: { bytes } }
  })
  const path = join(folder, file)
  writeSafetensors(path, entries)
  return openWeights(path).entries
}

const types = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const

/** A convolution that is wide enough for blocks, one that is not, a gated layer and a narrow one with long sums. */
function everyLayer(weights: ReadonlyMap<string, WeightEntry>): Graph {
  const graph = new Graph()
  const weight = (name: Name): Value => {
    const entry = weights.get(name)!
    return cast(graph.weight(name, entry, types[entry.dtype as 'F16']), 'float32')
  }
  const [high, wide] = [symbol('height', 2), symbol('width', 2)]
  const x = graph.input('x', [symbol('batch'), 32, high, wide])
  const params = { stride: 1, pads: [1, 1, 1, 1], groups: 1 } as const
  const y = conv(x, weight('conv.weight'), weight('conv.bias'), params)
  graph.output('wide', y)
  graph.output('narrow', conv(y, weight('narrow.weight'), null, { ...params, pads: [0, 0, 0, 0] }))

  const rows = graph.input('rows', [symbol('rows'), 32])
  const both = gemm(rows, weight('gate.weight'), weight('gate.bias'))
  graph.output('gated', mul(slice(both, 1, 0, 32), gelu(slice(both, 1, 32, 64))))
  const long = graph.input('long', [symbol('many'), 300])
  graph.output(
    'sums',
    add(
      gemm(long, weight('long.weight'), null),
      reshape(gemm(long, weight('long.weight'), null), [symbol('many'), 16]),
    ),
  )
  return graph
}

const feeds = {
  x: numbers([2, 32, 16, 14], 1),
  rows: numbers([3, 32], 2),
  long: numbers([2, 300], 3),
}

/** The same in double precision, from the definitions. */
function expected() {
  const [w, b, n] = [weightOf('conv.weight').data, weightOf('conv.bias').data, weightOf('narrow.weight').data]
  const { shape, data } = feeds.x
  const [batch, channels, height, width] = shape as [number, number, number, number]
  const at = (image: number, c: number, y: number, x: number) =>
    y < 0 || x < 0 || y >= height || x >= width ? 0 : data[((image * channels + c) * height + y) * width + x]!
  const wide = new Float32Array(batch * 32 * height * width)
  for (let i = 0; i < wide.length; i++) {
    const [px, py] = [i % width, Math.floor(i / width) % height]
    const o = Math.floor(i / (width * height)) % 32
    const image = Math.floor(i / (width * height * 32))
    let sum = b[o]!
    for (let c = 0; c < channels; c++) {
      for (let k = 0; k < 9; k++)
        sum += w[(o * channels + c) * 9 + k]! * at(image, c, py + Math.floor(k / 3) - 1, px + (k % 3) - 1)
    }
    wide[i] = sum
  }
  const points = height * width
  const narrow = Float32Array.from({ length: batch * 5 * points }, (_, i) => {
    const [p, o, image] = [i % points, Math.floor(i / points) % 5, Math.floor(i / points / 5)]
    let sum = 0
    for (let c = 0; c < 32; c++) sum += n[o * 32 + c]! * wide[(image * 32 + c) * points + p]!
    return sum
  })
  return { wide, narrow }
}

async function results(graph: Graph, residence: Residence, { threads = 1, store = new WeightStore(), runs = 1 } = {}) {
  const session = await compile(graph, { residence, threads, store })
  try {
    let last: Record<string, Tensor> = {}
    for (let i = 0; i < runs; i++) last = await session.run(feeds)
    return last
  } finally {
    await session.dispose()
  }
}

test.each(['F32', 'F16', 'BF16'] as const)(
  'a graph with weights in %s computes what its operators mean',
  async (dtype) => {
    const made = await results(everyLayer(written(`${dtype}.safetensors`, dtype)), 'mapped')
    const { wide, narrow } = expected()
    const tolerance = dtype === 'BF16' ? 0.05 : 1e-4 // bfloat16 rounds the weights themselves
    for (const [name, truth] of Object.entries({ wide, narrow })) {
      const worst = made[name]!.data.reduce((most, y, i) => Math.max(most, Math.abs(y - truth[i]!)), 0)
      expect(worst, name).toBeLessThan(tolerance)
    }
  },
)

test.each(['F32', 'F16', 'BF16'] as const)(
  'weights in %s give the same bits mapped, packed and on several threads',
  async (dtype) => {
    const graph = everyLayer(written(`${dtype}.safetensors`, dtype))
    const mapped = await results(graph, 'mapped')
    expect(await results(graph, 'packed')).toEqual(mapped)
    expect(await results(graph, 'auto', { runs: 3 })).toEqual(mapped)
    expect(await results(graph, 'mapped', { threads: 2 })).toEqual(mapped)
    expect(await results(graph, 'packed', { threads: 3 })).toEqual(mapped)
  },
)

test('weights are packed once for all sessions, and until the last of them ends', async () => {
  const weights = written('shared.safetensors', 'F16')
  const store = new WeightStore()
  const first = await compile(everyLayer(weights), { residence: 'auto', threads: 1, store })
  await first.run(feeds)
  const packed = store.heldBytes
  expect(packed).toBeGreaterThan(4 * sizeOf(shapes['conv.weight']))

  const second = await compile(everyLayer(weights), { residence: 'auto', threads: 1, store })
  await second.run(feeds)
  expect(store.heldBytes).toBe(packed)
  await first.dispose()
  expect(store.heldBytes).toBe(packed)
  await second.dispose()
  expect(store.heldBytes).toBe(0)
})

test('packed weights that had to go are there again for the next run', async () => {
  const store = new WeightStore()
  const session = await compile(everyLayer(written('trim.safetensors', 'F16')), {
    residence: 'packed',
    threads: 1,
    store,
  })
  const before = await session.run(feeds)
  const held = store.heldBytes
  expect(store.trim(1)).toBe(held)
  expect(await session.run(feeds)).toEqual(before)
  expect(store.heldBytes).toBe(held)
  await session.dispose()
})

test('a file that changes under a session is noticed before its numbers are used', async () => {
  const path = join(folder, 'changing.safetensors')
  const graph = everyLayer(written('changing.safetensors', 'F16'))
  const session = await compile(graph, { residence: 'mapped', threads: 1 })
  await session.run(feeds)
  const { mtimeMs } = statSync(path)
  utimesSync(path, new Date(), new Date(mtimeMs + 5000))
  await expect(session.run(feeds)).rejects.toMatchObject({ code: 'bad-file', field: path })
  await session.dispose()
})

test('a file that is shorter than its header promised, or gone, is refused by name', async () => {
  const path = join(folder, 'short.safetensors')
  const weights = written('short.safetensors', 'F16')
  truncateSync(path, 4096)
  const compiling = () => compile(everyLayer(weights), { residence: 'mapped', threads: 1 })
  await expect(compiling()).rejects.toMatchObject({ code: 'bad-file', field: path })
  rmSync(path)
  await expect(compiling()).rejects.toMatchObject({ code: 'missing-file', field: path })
})

test('runs of one session wait for each other', async () => {
  const session = await compile(everyLayer(written('queue.safetensors', 'F16')), { residence: 'auto', threads: 1 })
  const all = await Promise.all([session.run(feeds), session.run(feeds), session.run(feeds)])
  expect(all[1]).toEqual(all[0])
  expect(all[2]).toEqual(all[0])
  await session.dispose()
})

test('an input that is not fed is our own mistake', async () => {
  const session = await compile(everyLayer(written('unfed.safetensors', 'F16')), { residence: 'mapped', threads: 1 })
  await expect(session.run({ x: feeds.x, rows: feeds.rows })).rejects.toThrow('internal: long is not fed')
  await session.dispose()
})
