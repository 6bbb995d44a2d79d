import { sizeOf } from '../tensor/shape.ts'
import type { LayerAdapter, Magnitude } from './adapter.ts'
import type { Part } from './keys.ts'
import { asMatrix, cayley, type Matrix, multiply, transposed, withCore } from './matrix.ts'
import type { Family } from './network.ts'

/** A layer's weight seen as a matrix [rows, inputs · points]: a linear layer and a norm have one point. */
export interface LayerShape {
  /** Output features; the channels of a norm. */
  readonly rows: number
  /** Input features; 1 for a norm. */
  readonly inputs: number
  /** Points of the kernel. */
  readonly points: number
}

/** The matrix that a weight [out, in, …kernel] is seen as. */
export function layerShape(shape: readonly number[]): LayerShape {
  return { rows: shape[0] ?? 1, inputs: shape[1] ?? 1, points: sizeOf(shape.slice(2)) }
}

/** The tensors of one module, read when asked for. */
export interface ModuleTensors {
  /** The shape in the file, or undefined where the part is absent. */
  shape(part: Part): readonly number[] | undefined
  /** The numbers as a matrix of so many rows; a part that is absent is an internal error. */
  matrix(part: Part, rows: number): Matrix
  /** The single number of a part, or undefined where it is absent. */
  scalar(part: Part): number | undefined
}

interface FamilyReader {
  /** Whether the tensors agree with each other and with the layer. `read` may rely on it. */
  fits(tensors: ModuleTensors, layer: LayerShape): boolean
  read(tensors: ModuleTensors, layer: LayerShape): LayerAdapter
}

/** How each family's tensors are checked against a layer and brought into the form of `LayerAdapter`. */
export const families: Readonly<Record<Family, FamilyReader>> = {
  lora: {
    fits: (tensors, { rows, inputs, points }) => {
      const up = shapeOf(tensors, 'lora_up')
      const down = shapeOf(tensors, 'lora_down')
      const core = tensors.shape('lora_mid')
      const rank = core ? core[0]! : down[0]!
      const isDownRight = core ? isCore(core, points) && is(down, core[1]!, inputs) : is(down, rank, inputs * points)
      return is(up, rows, rank) && isDownRight
    },
    read: (tensors, { rows, inputs, points }) => {
      const up = transposed(tensors.matrix('lora_up', rows))
      const { down, rank } = lowSide(tensors, { core: 'lora_mid', side: 'lora_down' }, inputs * points)
      const scale = scaleOf(tensors, rank)
      return { family: 'lora', down: transposed(down), up, scale, ...magnitudeOf(tensors, rows) }
    },
  },

  loha: {
    fits: (tensors, { rows, inputs, points }) =>
      (['1', '2'] as const).every((n) => {
        const a = shapeOf(tensors, `hada_w${n}_a`)
        const b = shapeOf(tensors, `hada_w${n}_b`)
        const core = tensors.shape(`hada_t${n}`)
        if (core) return isCore(core, points) && is(a, core[0]!, rows) && is(b, core[1]!, inputs)
        return is(a, rows, b[0]!) && is(b, b[0]!, inputs * points)
      }),
    read: (tensors, { rows, inputs, points }) => {
      const sideA = (part: Part, core: Part) => {
        const first = shapeOf(tensors, part)[0]!
        const a = tensors.matrix(part, first)
        return tensors.shape(core) ? transposed(a) : asMatrix(a, rows)
      }
      const sideB = (part: Part, core: Part) => lowSide(tensors, { core, side: part }, inputs * points)
      const b1 = sideB('hada_w1_b', 'hada_t1')
      return {
        family: 'loha',
        a1: sideA('hada_w1_a', 'hada_t1'),
        b1: b1.down,
        a2: sideA('hada_w2_a', 'hada_t2'),
        b2: sideB('hada_w2_b', 'hada_t2').down,
        scale: scaleOf(tensors, b1.rank),
        ...magnitudeOf(tensors, rows),
      }
    },
  },

  lokr: {
    fits: (tensors, { rows, inputs, points }) => {
      const first = factorShape(tensors, '1')
      const second = factorShape(tensors, '2')
      return (
        first !== undefined &&
        second !== undefined &&
        first[0] * second[0] === rows &&
        first[1] * second[1] === inputs * points &&
        second[1] % points === 0
      )
    },
    read: (tensors, { rows }) => {
      // The rank divides alpha only where a factor is itself a product; the second factor's has precedence.
      const rank = tensors.shape('lokr_w2_b')?.[0] ?? tensors.shape('lokr_w1_b')?.[0]
      return {
        family: 'lokr',
        w1: factor(tensors, '1'),
        w2: factor(tensors, '2'),
        scale: rank === undefined ? (tensors.scalar('scale') ?? 1) : scaleOf(tensors, rank),
        ...magnitudeOf(tensors, rows),
      }
    },
  },

  ia3: {
    fits: (tensors, { rows, inputs }) => [rows, inputs].includes(sizeOf(shapeOf(tensors, 'weight'))),
    read: (tensors, { rows, inputs, points }) => {
      const isOnInput = tensors.scalar('on_input') !== 0
      const factors = tensors.matrix('weight', isOnInput ? 1 : sizeOf(shapeOf(tensors, 'weight')))
      if (!isOnInput) return { family: 'ia3', factors: asMatrix(factors, rows) }
      const columns = Float32Array.from({ length: inputs * points }, (_, i) => factors.data[Math.floor(i / points)]!)
      return { family: 'ia3', factors: { shape: [1, columns.length], data: columns } }
    },
  },

  full: {
    fits: (tensors, { rows, inputs, points }) =>
      isOrAbsent(tensors.shape('diff'), rows * inputs * points) && isOrAbsent(tensors.shape('diff_b'), rows),
    read: (tensors, { rows }) => ({
      family: 'full',
      ...(tensors.shape('diff') && { weight: tensors.matrix('diff', rows) }),
      ...(tensors.shape('diff_b') && { bias: tensors.matrix('diff_b', rows) }),
      ...magnitudeOf(tensors, rows),
    }),
  },

  norm: {
    fits: (tensors, { rows, inputs, points }) =>
      inputs * points === 1 && isOrAbsent(tensors.shape('w_norm'), rows) && isOrAbsent(tensors.shape('b_norm'), rows),
    read: (tensors, { rows }) => ({
      family: 'norm',
      ...(tensors.shape('w_norm') && { weight: tensors.matrix('w_norm', rows) }),
      ...(tensors.shape('b_norm') && { bias: tensors.matrix('b_norm', rows) }),
    }),
  },

  oft: {
    fits: (tensors, { rows }) => {
      const blocks = tensors.shape('oft_blocks') ?? shapeOf(tensors, 'oft_diag')
      return blocks.length === 3 && areBlocks(blocks, rows) && isOrAbsent(tensors.shape('rescale'), rows)
    },
    read: (tensors, { rows }) => {
      const part = tensors.shape('oft_blocks') ? 'oft_blocks' : 'oft_diag'
      const [count, size] = shapeOf(tensors, part) as [number, number]
      const { data } = tensors.matrix(part, rows)
      // The older files hold the rotations themselves; both kinds multiply with the transposed block.
      const rotations = part === 'oft_diag' ? data : cayley(data, size, (tensors.scalar('alpha') ?? 0) * rows)
      return {
        family: 'oft',
        blocks: { shape: [count, size, size], data: transposedBlocks(rotations, size) },
        ...rescaleOf(tensors, rows),
      }
    },
  },

  boft: {
    fits: (tensors, { rows }) => {
      const shape = shapeOf(tensors, 'oft_blocks')
      const [stages, , size] = shape as [number, number, number]
      const widest = size * 2 ** (stages - 1)
      return (
        areBlocks(shape.slice(1), rows) &&
        size % 2 === 0 &&
        rows % widest === 0 &&
        isOrAbsent(tensors.shape('rescale'), rows)
      )
    },
    read: (tensors, { rows }) => {
      const shape = shapeOf(tensors, 'oft_blocks')
      const limit = (tensors.scalar('alpha') ?? 0) * rows
      const { data } = tensors.matrix('oft_blocks', shape[0]!)
      return {
        family: 'boft',
        stages: { shape, data: cayley(data, shape[2]!, limit) },
        ...rescaleOf(tensors, rows),
      }
    },
  },

  glora: {
    fits: (tensors, { rows, inputs, points }) => {
      const { a, b, c, d } = gloraParts(tensors, rows)
      const rank = shapeOf(tensors, b)[1]!
      return (
        is(shapeOf(tensors, a), inputs, shapeOf(tensors, a)[1]!) &&
        is(shapeOf(tensors, c), shapeOf(tensors, a)[1]!, inputs) &&
        is(shapeOf(tensors, b), rows, rank) &&
        is(shapeOf(tensors, d), rank, inputs * points)
      )
    },
    read: (tensors, { rows, inputs }) => {
      const { a, b, c, d } = gloraParts(tensors, rows)
      const rank = shapeOf(tensors, b)[1]!
      return {
        family: 'glora',
        a: tensors.matrix(a, inputs),
        b: tensors.matrix(b, rows),
        c: tensors.matrix(c, shapeOf(tensors, a)[1]!),
        d: tensors.matrix(d, rank),
        scale: scaleOf(tensors, rank),
      }
    },
  },
}

/** Rotation blocks and Tucker cores larger than this take minutes to work out; trainers write far smaller ones. */
export const largestBlock = 1024

/** Older files exchange the names of the two factors of each product; their shapes tell. */
function gloraParts(tensors: ModuleTensors, rows: number) {
  const isOlder = shapeOf(tensors, 'b1')[0] !== rows
  return isOlder ? ({ a: 'a2', c: 'a1', b: 'b2', d: 'b1' } as const) : ({ a: 'a1', c: 'a2', b: 'b1', d: 'b2' } as const)
}

/** The low-rank side that meets the input, [rank, columns], with its Tucker core multiplied in where there is one. */
function lowSide(
  tensors: ModuleTensors,
  { core, side }: { core: Part; side: Part },
  columns: number,
): { down: Matrix; rank: number } {
  const coreShape = tensors.shape(core)
  const rank = shapeOf(tensors, side)[0]!
  const matrix = tensors.matrix(side, rank)
  if (!coreShape) return { down: { shape: [rank, columns], data: matrix.data }, rank }
  const numbers = tensors.matrix(core, coreShape[0]!)
  return { down: withCore({ shape: coreShape, data: numbers.data }, matrix), rank }
}

/** [out, in·points] of one factor of a Kronecker product, or undefined where its own parts disagree. */
function factorShape(tensors: ModuleTensors, n: '1' | '2'): readonly [number, number] | undefined {
  const whole = tensors.shape(`lokr_w${n}`)
  if (whole) return whole.length < 2 ? undefined : [whole[0]!, sizeOf(whole.slice(1))]
  const a = shapeOf(tensors, `lokr_w${n}_a`)
  const b = shapeOf(tensors, `lokr_w${n}_b`)
  const core = n === '2' ? tensors.shape('lokr_t2') : undefined
  if (a.length !== 2 || b.length !== 2) return undefined
  if (!core) return a[1] === b[0] ? [a[0]!, b[1]!] : undefined
  const areCoreSides = core.length > 2 && core[0] === a[0] && core[1] === b[0]
  return areCoreSides ? [a[1]!, b[1]! * sizeOf(core.slice(2))] : undefined
}

function factor(tensors: ModuleTensors, n: '1' | '2'): Matrix {
  const whole = tensors.shape(`lokr_w${n}`)
  if (whole) return tensors.matrix(`lokr_w${n}`, whole[0]!)
  const a = tensors.matrix(`lokr_w${n}_a`, shapeOf(tensors, `lokr_w${n}_a`)[0]!)
  const b = tensors.matrix(`lokr_w${n}_b`, shapeOf(tensors, `lokr_w${n}_b`)[0]!)
  const core = n === '2' ? tensors.shape('lokr_t2') : undefined
  if (!core) return multiply(a, b)
  const numbers = tensors.matrix('lokr_t2', core[0]!)
  return multiply(transposed(a), withCore({ shape: core, data: numbers.data }, b))
}

/** alpha / rank; 1 where the file gives no alpha. A `scale` of its own takes precedence. */
function scaleOf(tensors: ModuleTensors, rank: number): number {
  const alpha = tensors.scalar('alpha')
  return tensors.scalar('scale') ?? (alpha === undefined || rank === 0 ? 1 : alpha / rank)
}

/** Newer files keep a length for each output row, older ones for each input column: the shape tells. */
function magnitudeOf(tensors: ModuleTensors, rows: number): { magnitude?: Magnitude } {
  const shape = tensors.shape('dora_scale')
  if (!shape) return {}
  const isByRow = shape.length === 1 || shape[0] !== 1 || rows === 1
  return { magnitude: isByRow ? tensors.matrix('dora_scale', rows) : tensors.matrix('dora_scale', 1) }
}

/** Whether a magnitude, if there is one, has a number for each row or each input of the layer. */
export function hasFittingMagnitude(tensors: ModuleTensors, { rows, inputs }: LayerShape): boolean {
  const shape = tensors.shape('dora_scale')
  if (!shape) return true
  const isByRow = shape.length === 1 || shape[0] !== 1 || rows === 1
  return sizeOf(shape) === (isByRow ? rows : inputs)
}

function rescaleOf(tensors: ModuleTensors, rows: number): { rescale?: Matrix } {
  return tensors.shape('rescale') ? { rescale: tensors.matrix('rescale', rows) } : {}
}

function transposedBlocks(blocks: Float32Array, n: number): Float32Array {
  return blocks.map((_, at) => {
    const [block, i, j] = [Math.floor(at / (n * n)), Math.floor(at / n) % n, at % n]
    return blocks[block * n * n + j * n + i]!
  })
}

function shapeOf(tensors: ModuleTensors, part: Part): readonly number[] {
  const shape = tensors.shape(part)
  if (!shape) throw new Error(`internal: ${part} is absent`)
  return shape
}

/** Whether a tensor is a matrix of these dimensions, whatever kernel dimensions the second is spread over. */
function is(shape: readonly number[], rows: number, columns: number): boolean {
  return shape[0] === rows && sizeOf(shape.slice(1)) === columns && shape.length >= 2
}

/** Whether a tensor is a Tucker core for a kernel of so many points; its sides are ranks, which are small. */
function isCore(shape: readonly number[], points: number): boolean {
  return shape.length >= 3 && Math.max(shape[0]!, shape[1]!) <= largestBlock && sizeOf(shape.slice(2)) === points
}

function isOrAbsent(shape: readonly number[] | undefined, size: number): boolean {
  return shape === undefined || sizeOf(shape) === size
}

function areBlocks(shape: readonly number[], rows: number): boolean {
  const [count, n, m] = shape as [number, number, number]
  return n === m && n > 0 && count * n === rows
}
