import { addDims, type Dim, mulDims } from './dim.ts'
import type { ConvParams } from './operators.ts'
import { concat, constant, conv, gemm, matmul, pad, reduceSum, reshape, slice, transpose } from './ops.ts'
import { dimAt, type Graph, numberAt, type Value } from './value.ts'

/**
 * Gradients of y = conv(x, w) + b.
 *
 * By x: the convolution of dy, spread out by the stride, with the kernel flipped and its channels exchanged, which
 * for a frozen weight the runtime prepares once. By w: for each point of the kernel, dy times x moved by that point.
 */
export function convVjp(
  dy: Value,
  [x, weight, bias]: readonly (Value | null)[],
  params: ConvParams,
): readonly (Value | null)[] {
  if (params.groups !== 1) throw new Error('internal: gradient of a grouped convolution')
  return [
    byInput(dy, x!, weight!, params),
    params.stride === 1 ? byWeight(dy, x!, weight!, params) : byStridedWeight(dy, x!, weight!, params),
    bias ? reshape(reduceSum(dy, [0, 2, 3]), bias.shape) : null,
  ]
}

function byInput(dy: Value, x: Value, weight: Value, { stride, pads }: ConvParams): Value {
  const [out, channels, kernelHeight, kernelWidth] = [0, 1, 2, 3].map((axis) => numberAt(weight, axis))
  const points = kernelHeight! * kernelWidth!
  const exchanged = transpose(reshape(weight, [out!, channels!, points]), [1, 0, 2])
  // A product with ones across the diagonal turns each kernel about in one pass, where a gather moves single numbers.
  const turned = points === 1 ? exchanged : matmul(exchanged, antidiagonal(weight.graph, points))
  const flipped = reshape(turned, [channels!, out!, kernelHeight!, kernelWidth!])

  const spread = dilate(dilate(dy, 2, stride), 3, stride)
  const kernel = [kernelHeight!, kernelWidth!]
  const before = kernel.map((size, axis) => size - 1 - pads[axis]!)
  const after = kernel.map((size, axis) =>
    wholeNumber(addDims(x.shape[axis + 2]!, addDims(mulDims(-1, spread.shape[axis + 2]!), size - 1 - before[axis]!))),
  )
  return conv(spread, flipped, null, {
    stride: 1,
    pads: [before[0]!, before[1]!, after[0]!, after[1]!],
    groups: 1,
  })
}

function antidiagonal(graph: Graph, size: number): Value {
  const ones = new Float32Array(size * size)
  for (let i = 0; i < size; i++) ones[(i + 1) * size - 1 - i] = 1
  return constant(graph, ones, [size, size])
}

/**
 * ∂w[·, ·, r, c] is dy times x moved by r rows and c columns. Moving dy by the rows and x by the columns gives all
 * points of the kernel as one product, whose factors are copied as often as the kernel is high and wide, where im2col
 * copies x as often as it has points.
 */
function byWeight(dy: Value, x: Value, weight: Value, { pads }: ConvParams): Value {
  const [out, channels, kernelHeight, kernelWidth] = [0, 1, 2, 3].map((axis) => numberAt(weight, axis))
  const [top, left] = pads
  const [batch, , , width] = dy.shape
  const xHeight = dimAt(x, 2)

  // dy[y] meets x[y + r − top]: seen from the rows of x, dy stands r − top further down.
  const byRow = Array.from({ length: kernelHeight! }, (_, r) => moved(dy, 2, r - top, xHeight))
  const rows = transpose(joined(byRow, 1), [1, 0, 2, 3])
  const channelsLast = transpose(x, [0, 2, 3, 1])

  const points = mulDims(batch!, xHeight, width!)
  const byColumn = Array.from({ length: kernelWidth! }, (_, c) => {
    const columns = moved(channelsLast, 2, left - c, width!)
    return matmul(reshape(rows, [kernelHeight! * out!, points]), reshape(columns, [points, channels!]))
  })
  const byPoint = reshape(joined(byColumn, 0), [kernelWidth!, kernelHeight!, out!, channels!])
  return reshape(transpose(byPoint, [2, 3, 1, 0]), weight.shape)
}

/** x moved by so many places along an axis, which becomes `length` long: what leaves it is lost, zeros come in. */
function moved(x: Value, axis: number, places: number, length: Dim): Value {
  const after = wholeNumber(addDims(length, mulDims(-1, addDims(dimAt(x, axis), places))))
  const widths = (width: number) => x.shape.map((_, i) => (i === axis ? width : 0))
  const start = Math.max(0, -places)
  const cut = start > 0 || after < 0 ? slice(x, axis, start, addDims(dimAt(x, axis), Math.min(0, after))) : x
  if (places <= 0 && after <= 0) return cut
  return pad(cut, { before: widths(Math.max(0, places)), after: widths(Math.max(0, after)), mode: 'constant' })
}

function joined(parts: readonly Value[], axis: number): Value {
  return parts.length === 1 ? parts[0]! : concat(parts, axis)
}

/** Windows of x beside each other (im2col) times dy, one GEMM. */
function byStridedWeight(dy: Value, x: Value, weight: Value, { stride, pads }: ConvParams): Value {
  const [out, channels, kernelHeight, kernelWidth] = [0, 1, 2, 3].map((axis) => numberAt(weight, axis))
  const [batch, , height, width] = dy.shape
  const positions = mulDims(batch!, height!, width!)

  // Each window's last row starts at kernel − 1, so the padded map must reach that far plus all strides.
  const missing = [kernelHeight!, kernelWidth!].map((size, axis) => {
    const needed = addDims(size - 1, mulDims(stride, dy.shape[axis + 2]!))
    return wholeNumber(addDims(needed, mulDims(-1, addDims(x.shape[axis + 2]!, pads[axis]!))))
  })
  const framed = trim(
    pad(transpose(x, [1, 0, 2, 3]), {
      before: [0, 0, pads[0], pads[1]],
      after: [0, 0, Math.max(0, missing[0]!), Math.max(0, missing[1]!)],
      mode: 'constant',
    }),
  )

  const windows: Value[] = []
  for (let row = 0; row < kernelHeight!; row++) {
    const rows = slice(framed, 2, row, addDims(row, mulDims(stride, height!)), stride)
    for (let column = 0; column < kernelWidth!; column++) {
      const window = slice(rows, 3, column, addDims(column, mulDims(stride, width!)), stride)
      windows.push(reshape(window, [channels!, positions]))
    }
  }
  const perOutput = reshape(transpose(dy, [1, 0, 2, 3]), [out!, positions])
  const product = gemm(perOutput, concat(windows, 0), null)
  const points = kernelHeight! * kernelWidth!
  return reshape(transpose(reshape(product, [out!, points, channels!]), [0, 2, 1]), weight.shape)
}

/** Pads of zero width cost a copy. */
function trim(x: Value): Value {
  const { source } = x
  if (source.kind !== 'node' || source.node.op !== 'Pad') return x
  const { before, after } = source.node.params as { before: readonly number[]; after: readonly number[] }
  return [...before, ...after].every((width) => width === 0) ? source.node.inputs[0]! : x
}

/** x with stride − 1 zeros after each element of an axis but the last. */
export function dilate(x: Value, axis: number, stride: number): Value {
  if (stride === 1) return x
  const dims = x.shape
  const rank = dims.length + 1
  const split = reshape(x, [...dims.slice(0, axis + 1), 1, ...dims.slice(axis + 1)])
  const widths = Array.from({ length: rank }, (_, i) => (i === axis + 1 ? stride - 1 : 0))
  const spaced = pad(split, { before: new Array(rank).fill(0), after: widths, mode: 'constant' })
  const length: Dim = mulDims(dims[axis]!, stride)
  const joined = reshape(spaced, [...dims.slice(0, axis), length, ...dims.slice(axis + 1)])
  return slice(joined, axis, 0, addDims(length, 1 - stride))
}

function wholeNumber(dim: Dim): number {
  if (typeof dim !== 'number') throw new Error('internal: the margin of a convolution depends on an open size')
  return dim
}
