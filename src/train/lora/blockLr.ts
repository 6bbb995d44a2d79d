import { StudioError } from '../../errors.ts'
import type { Taken } from './keyValues.ts'

/** Blocks on the way down and on the way up, each with a weight. */
const perWay = 12

/** Curves over the blocks of one way by their names: i from 0 to 11. */
const curves: Readonly<Record<string, (i: number) => number>> = {
  sine: (i) => Math.sin((Math.PI / 2) * (i / (perWay - 1))),
  cosine: (i) => Math.sin((Math.PI / 2) * ((perWay - 1 - i) / (perWay - 1))),
  linear: (i) => i / (perWay - 1),
  reverse_linear: (i) => (perWay - 1 - i) / (perWay - 1),
  zeros: () => 0,
}

/**
 * Factors on the learning rate by the UNet's block, kohya's count: 12 on the way down from 1, the middle, 12 on the way
 * up. Each way is a list (what is missing is 1) or a curve's name, perhaps with `+base`. Undefined where none is given.
 */
export function lrWeights(taken: Taken): readonly number[] | undefined {
  const way = (key: string): readonly number[] | undefined => {
    const text = taken.has(key) ? taken.text(key) : undefined
    return text === undefined ? undefined : weightsOf(key, text)
  }
  const [down, middle, up] = [way('down_lr_weight'), taken.number('mid_lr_weight'), way('up_lr_weight')]
  const threshold = taken.number('block_lr_zero_threshold') ?? 0
  if (!down && middle === undefined && !up) return undefined
  const ones = new Array<number>(perWay).fill(1)
  const weights = [0, ...(down ?? ones).slice(0, perWay - 1), middle ?? 1, ...(up ?? ones)]
  // The first block on the way down is the input's, which has no modules.
  return weights.map((weight) => (weight <= threshold ? 0 : weight))
}

function weightsOf(key: string, text: string): readonly number[] {
  const [name = '', base = '0'] = text.split('+')
  const curve = curves[name.trim()]
  const numbers = curve
    ? Array.from({ length: perWay }, (_, i) => curve(i) + Number(base))
    : text.split(',').map(Number)
  if (numbers.some(Number.isNaN)) {
    throw new StudioError(
      'bad-request',
      `network_args: ${key} is ${text}, expected numbers or one of ${Object.keys(curves).join(', ')}`,
      {
        field: 'network_args',
      },
    )
  }
  return Array.from({ length: perWay }, (_, i) => numbers[i] ?? 1)
}
