import { StudioError } from '../errors.ts'
import type { WeightEntry, WeightFile } from '../files/weights.ts'
import { divideDim, mulDims, symbol } from '../graph/dim.ts'
import { add, concat, leakyRelu, mul, relu, reshape, sub, transpose, upsampleNearest } from '../graph/ops.ts'
import { Graph, numberAt, type Value } from '../graph/value.ts'
import { conv2d } from '../nn/linear.ts'
import { Scope } from '../nn/scope.ts'

/** A network that enlarges pictures by a fixed factor. */
export interface Upscaler {
  readonly kind: 'rrdb' | 'compact'
  readonly scale: number
  /** What the sides of a picture must be divisible by. */
  readonly multiple: number
  /** The tensors, without the name of the dictionary that holds them. */
  readonly weights: ReadonlyMap<string, WeightEntry>
}

/** Published upscalers go up to 8. */
const largestScale = 16

/** Tells an upscaler of the ESRGAN family from the names and shapes of its tensors. */
export function detectUpscaler(file: WeightFile): Upscaler {
  const weights = unwrapped(file.entries)
  const style = styleOf(weights)
  if (style) {
    const last = colours(file, weights, style.last(weights))
    const multiple = Math.sqrt(weights.get(`${style.first}.weight`)!.shape[1]! / last)
    const scale = 2 ** style.ups(weights).length / multiple
    if (![1, 2, 4].includes(multiple) || scale < 1 || scale > largestScale) throw unknown(file)
    return { kind: 'rrdb', scale, multiple, weights }
  }
  if (weights.get('body.0.weight')?.shape.length === 4 && weights.get('body.1.weight')?.shape.length === 1) {
    const out = weights.get(`${compactLast(weights)}.weight`)?.shape[0]
    const scale = Math.sqrt((out ?? 0) / 3)
    if (!Number.isInteger(scale) || scale < 1 || scale > largestScale) throw unknown(file)
    return { kind: 'compact', scale, multiple: 1, weights }
  }
  throw unknown(file)
}

/** The network: `picture` [B, 3, H, W] in 0…1 → `enlarged` [B, 3, scale·H, scale·W], not clamped. */
export function upscalerGraph({ kind, scale, multiple, weights }: Upscaler): Graph {
  const graph = new Graph()
  const side = (name: string) => mulDims(multiple, symbol(name))
  const picture = graph.input('picture', [symbol('batch'), 3, side('height'), side('width')])
  const scope = new Scope({ graph, weights })
  const enlarged =
    kind === 'rrdb' ? rrdbNet(scope, unshuffle(picture, multiple), weights) : compactNet(scope, picture, scale, weights)
  graph.output('enlarged', enlarged)
  return graph
}

type Weights = ReadonlyMap<string, WeightEntry>

/** The names of one publisher's layers. */
interface Style {
  readonly first: string
  /** Convolution k (1 to 5) of dense block j (1 to 3) of block i. */
  dense(i: number, j: number, k: number): string
  /** The convolution after so many blocks. */
  trunk(blocks: number): string
  /** The convolutions after each doubling, in order. */
  ups(weights: Weights): readonly string[]
  hr(weights: Weights): string
  last(weights: Weights): string
}

const styles: readonly Style[] = [
  {
    // ESRGAN as first published: one sequence, which also counts the layers without weights. Each doubling takes
    // three places in it; before the last convolution there is another one and its activation.
    first: 'model.0',
    dense: (i, j, k) => `model.1.sub.${i}.RDB${j}.conv${k}.0`,
    trunk: (blocks) => `model.1.sub.${blocks}`,
    ups: (weights) => sequence(weights).slice(0, -2),
    hr: (weights) => sequence(weights).at(-2) ?? '',
    last: (weights) => sequence(weights).at(-1) ?? '',
  },
  named({ dense: (i, j, k) => `RRDB_trunk.${i}.RDB${j}.conv${k}`, trunk: 'trunk_conv', up: 'upconv', hr: 'HRconv' }),
  named({ dense: (i, j, k) => `body.${i}.rdb${j}.conv${k}`, trunk: 'conv_body', up: 'conv_up', hr: 'conv_hr' }),
]

/** The publisher whose names a file uses; undefined where it is no RRDB network. */
function styleOf(weights: Weights): Style | undefined {
  const has = (layer: string) => weights.get(`${layer}.weight`)?.shape.length === 4
  return styles.find(({ first, dense }) => has(first) && has(dense(0, 1, 1)))
}

function named({ dense, trunk, up, hr }: { dense: Style['dense']; trunk: string; up: string; hr: string }): Style {
  return {
    first: 'conv_first',
    dense,
    trunk: () => trunk,
    ups: (weights) => [1, 2, 3].map((n) => `${up}${n}`).filter((name) => weights.has(`${name}.weight`)),
    hr: () => hr,
    last: () => 'conv_last',
  }
}

/** `model.3`, `model.6`, …: the convolutions after the trunk. */
function sequence(weights: Weights): readonly string[] {
  return [...weights.keys()]
    .flatMap((name) => /^model\.(\d+)\.weight$/.exec(name)?.[1] ?? [])
    .map(Number)
    .filter((place) => place > 1)
    .sort((a, b) => a - b)
    .map((place) => `model.${place}`)
}

/**
 * Residual-in-residual dense blocks, then doublings of the picture (Wang et al. 2018, "ESRGAN"): x [B, in, H, W] →
 * [B, 3, 2ⁿ·H, 2ⁿ·W].
 */
function rrdbNet(scope: Scope, x: Value, weights: Weights): Value {
  const style = styleOf(weights)
  if (!style) throw new Error('internal: not an RRDB network')
  const out = weights.get(`${style.first}.weight`)!.shape[0]!
  const same = { out, kernel: 3 }

  const shallow = conv2d(scope.at(style.first), x, same)
  let h = shallow
  let blocks = 0
  for (; weights.has(`${style.dense(blocks, 1, 1)}.weight`); blocks++) {
    let inner = h
    for (const j of [1, 2, 3]) inner = denseBlock((k) => style.dense(blocks, j, k), scope, inner, weights)
    h = add(mul(inner, residualScale), h)
  }
  h = add(shallow, conv2d(scope.at(style.trunk(blocks)), h, same))

  for (const up of style.ups(weights)) h = active(conv2d(scope.at(up), upsampleNearest(h, 2), same))
  h = active(conv2d(scope.at(style.hr(weights)), h, same))
  return conv2d(scope.at(style.last(weights)), h, { out: 3, kernel: 3 })
}

/** What a block adds to its input is made smaller by this, which keeps deep networks trainable. */
const residualScale = 0.2

const active = (x: Value) => leakyRelu(x, 0.2)

/** Five convolutions, each of which reads what all before it gave. ESRGAN+ also lets every second one skip ahead. */
function denseBlock(name: (k: number) => string, scope: Scope, x: Value, weights: Weights): Value {
  const read = (k: number, ...seen: readonly Value[]) => {
    const out = weights.get(`${name(k)}.weight`)?.shape[0] ?? 0
    return conv2d(scope.at(name(k)), seen.length === 1 ? x : concat(seen, 1), { out, kernel: 3 })
  }
  const shortcut = name(1).replace(/conv1(\.0)?$/, 'conv1x1')
  const isPlus = weights.has(`${shortcut}.weight`)

  const x1 = active(read(1, x))
  const plain2 = active(read(2, x, x1))
  const point = { out: numberAt(plain2, 1), kernel: 1, hasBias: false }
  const x2 = isPlus ? add(plain2, conv2d(scope.at(shortcut), x, point)) : plain2
  const x3 = active(read(3, x, x1, x2))
  const plain4 = active(read(4, x, x1, x2, x3))
  const x4 = isPlus ? add(plain4, x2) : plain4
  return add(mul(read(5, x, x1, x2, x3, x4), residualScale), x)
}

/**
 * The compact network of Real-ESRGAN (Wang et al. 2021): convolutions with PReLU between, at the picture's own size,
 * whose last one holds each pixel's scale × scale successors and adds them to the enlarged picture.
 */
function compactNet(scope: Scope, picture: Value, scale: number, weights: Weights): Value {
  const last = compactLast(weights)
  const body = scope.at('body')
  let h = picture
  for (let place = 0; `body.${place}` !== last; place += 2) {
    const out = weights.get(`body.${place}.weight`)?.shape[0] ?? 0
    h = conv2d(body.at(place), h, { out, kernel: 3 })
    const slope = reshape(body.at(place + 1).weight('weight', [out]), [1, out, 1, 1])
    h = sub(relu(h), mul(slope, relu(mul(h, -1))))
  }
  const detail = shuffle(conv2d(scope.at(last), h, { out: 3 * scale * scale, kernel: 3 }), scale)
  return add(detail, upsampleNearest(picture, scale))
}

function compactLast(weights: Weights): string {
  let place = 0
  while (weights.has(`body.${place + 2}.weight`)) place += 2
  return `body.${place}`
}

/** Squares of n × n pixels become channels: [B, C, nH, nW] → [B, C·n², H, W]. */
function unshuffle(x: Value, n: number): Value {
  if (n === 1) return x
  const [batch, , height, width] = x.shape
  const channels = numberAt(x, 1)
  const [rows, columns] = [divideDim(height!, n)!, divideDim(width!, n)!]
  const split = transpose(reshape(x, [batch!, channels, rows, n, columns, n]), [0, 1, 3, 5, 2, 4])
  return reshape(split, [batch!, channels * n * n, rows, columns])
}

/** Channels become squares of n × n pixels: [B, C·n², H, W] → [B, C, nH, nW]. */
function shuffle(x: Value, n: number): Value {
  const [batch, , height, width] = x.shape
  const channels = numberAt(x, 1) / (n * n)
  const split = transpose(reshape(x, [batch!, channels, n, n, height!, width!]), [0, 1, 4, 2, 5, 3])
  return reshape(split, [batch!, channels, mulDims(n, height!), mulDims(n, width!)])
}

/** Trainers keep the weights in a dictionary of their own, averaged ones beside the raw. */
function unwrapped(entries: Weights): Weights {
  for (const wrapper of ['params_ema.', 'params.', 'model_state_dict.', 'module.']) {
    const inner = [...entries].filter(([name]) => name.startsWith(wrapper))
    if (inner.length > 0) return new Map(inner.map(([name, entry]) => [name.slice(wrapper.length), entry]))
  }
  return entries
}

function colours(file: WeightFile, weights: Weights, last: string): number {
  const out = weights.get(`${last}.weight`)?.shape[0]
  if (out !== 3) throw unknown(file)
  return out
}

function unknown({ path }: WeightFile): StudioError {
  return new StudioError('unsupported', `${path}: is no upscaler of the ESRGAN family for RGB pictures`, {
    field: path,
  })
}
