import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runOnce } from '../../test/models/runOnce.ts'
import type { WeightEntry } from '../files/weights.ts'
import { tensor } from '../tensor/tensor.ts'
import { mulDims, symbol } from './dim.ts'
import { toOnnx } from './onnx.ts'
import { add, cast, gemm, neg, reshape } from './ops.ts'
import { Message } from './protobuf.ts'
import { Graph } from './value.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('protocol buffers are written', () => {
  test('as the examples of the published encoding', () => {
    expect(hex(new Message().integer(1, 150).finish())).toBe('089601')
    expect(hex(new Message().bytes(2, 'testing').finish())).toBe('120774657374696e67')
    expect(hex(new Message().bytes(3, new Message().integer(1, 150)).finish())).toBe('1a03089601')
  })

  test('with negative numbers in ten bytes and floats in four', () => {
    expect(hex(new Message().integer(1, -1).finish())).toBe('08ffffffffffffffffff01')
    expect(hex(new Message().float(1, 1).finish())).toBe('0d0000803f')
    expect(hex(new Message().integer(16, 2n ** 63n - 1n).finish())).toBe('8001ffffffffffffffff7f')
  })
})

describe('a graph written as ONNX', () => {
  test('reads its weights where they lie in a file', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'onnx-')), 'numbers.bin')
    writeFileSync(path, Buffer.from(Float32Array.of(99, 99, 1, 2, 3, 4, 99).buffer))
    const entry: WeightEntry = { name: 'w', dtype: 'F32', shape: [2, 2], sizeBytes: 16, location: { path, offset: 8 } }
    const graph = new Graph()
    graph.output('y', gemm(graph.input('x', [1, 2]), graph.weight('w', entry, 'float32'), null))
    expect([...(await runOnce(graph, { x: tensor([10, 1], [1, 2]) })).data]).toEqual([12, 34])
  })

  test('may return an input, and one value under two names', async () => {
    const graph = new Graph()
    const x = graph.input('x', [2])
    const y = neg(x)
    graph.output('same', x)
    graph.output('once', y)
    graph.output('twice', y)
    expect([...(await runOnce(graph, { x: tensor([1, 2]) })).data]).toEqual([1, 2])
  })

  test('computes open sizes from whichever input has them', async () => {
    const graph = new Graph()
    const [n, m] = [symbol('n', 2), symbol('m')]
    const x = graph.input('x', [n, m])
    graph.input('other', [m])
    graph.output('y', reshape(x, [m, symbol('n'), 2]))
    const feeds = { x: tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [4, 3]), other: tensor([0, 0, 0]) }
    expect((await runOnce(graph, feeds)).shape).toEqual([3, 2, 2])
  })

  test('cannot have a size that no input tells', () => {
    const graph = new Graph()
    const x = graph.input('x', [mulDims(symbol('n'), symbol('m'))])
    graph.output('y', reshape(x, [symbol('m'), symbol('n')]))
    expect(() => toOnnx(graph, () => ({ bytes: new Uint8Array() }))).toThrow('no input has m as a dimension')
  })
})

describe('a graph being built refuses', () => {
  const graph = new Graph()
  const x = graph.input('x', [2, 3])

  test('shapes that do not broadcast', () => {
    expect(() => add(x, graph.input('y', [2]))).toThrow('internal: Add of [2, 3], [2]: [2, 3] and [2] do not broadcast')
  })

  test('open sizes that may differ', () => {
    const [a, b] = [graph.input('a', [symbol('n', 2)]), graph.input('b', [symbol('m', 2)])]
    expect(() => add(a, b)).toThrow('[2·n] and [2·m] do not broadcast')
  })

  test('a reshape to another number of elements', () => {
    expect(() => reshape(x, [4])).toThrow('internal: Reshape of [2, 3]: cannot become [4]')
  })

  test('a weight that does not fit, with its path, even when it is cast', () => {
    const location = { bytes: new Uint8Array(40) }
    const entry: WeightEntry = { name: 'l.weight', dtype: 'F16', shape: [5, 4], sizeBytes: 40, location }
    const weight = cast(graph.weight('l.weight', entry, 'float16'), 'float32')
    const message = 'l.weight: Gemm of [2, 3], [5, 4], none: weight expects 4 features, x has 3'
    expect(() => gemm(x, weight, null)).toThrow(message)
  })

  test('values of another graph, and two things of one name', () => {
    expect(() => add(x, new Graph().input('x', [2, 3]))).toThrow('value of another graph')
    expect(() => graph.input('x', [1])).toThrow('two inputs named x')
    graph.output('out', x)
    expect(() => graph.output('out', x)).toThrow('two outputs named out')
  })
})
