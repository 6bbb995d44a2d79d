import { strengthText } from './axis.ts'
import type { MeasuredCell, MeasuredComparison } from './measureCells.ts'

/** What is wrong with a cell. */
export type Fault = 'prompt' | 'detail' | 'grey' | 'burnt' | 'copies'

export const faultWords: Readonly<Record<Fault, string>> = {
  prompt: 'the prompt is no longer followed',
  detail: 'detail is lost',
  grey: 'grey cast: colour or contrast is lost',
  burnt: 'burnt: colour or edges far beyond those of the model and the training pictures',
  copies: 'pictures repeat training pictures',
}

/** Limits beyond which a cell counts as faulty. */
export const limits = {
  /** Share by which the CLIP score may fall below the base model's. */
  promptLoss: 0.05,
  /** Detail, colour and contrast, relative to the lower of base model's and training pictures'. */
  least: 0.6,
  /** The same, relative to the higher of both. */
  most: 1.7,
  /** Detail relative to the higher of both: noise and hard edges have many times that of a picture. */
  mostDetail: 4,
  /** Share of the pictures that may be as good as training pictures. */
  copies: 0.1,
} as const

/** A cell that is judged. */
export interface JudgedCell {
  readonly version: string
  readonly strength: number
  readonly measures: MeasuredCell
  readonly faults: readonly Fault[]
  /** Change of the CLIP score, as a share of the base model's. */
  readonly promptChange: number | undefined
  /** How much nearer to the training pictures than the base model's pictures; with its standard error. */
  readonly gain: { readonly value: number; readonly error: number } | undefined
}

/** Which version and strength to use, and why. */
export interface Verdict {
  /** Undefined where nothing could be judged, or no strength of any version does anything worth having. */
  readonly best: { readonly version: string; readonly strength: number } | undefined
  /** Sentences for people. */
  readonly reasons: readonly string[]
}

/** Judges every cell by itself, by version and strength. */
export function judgeCells(
  { base, cells, training }: MeasuredComparison,
  versions: readonly string[],
  strengths: readonly number[],
): readonly (readonly JudgedCell[])[] {
  return cells.map((row, v) =>
    row.map((measures, s): JudgedCell => {
      const promptChange =
        measures.clipScore &&
        base.clipScore &&
        (measures.clipScore.value - base.clipScore.value) / Math.abs(base.clipScore.value)
      return {
        version: versions[v]!,
        strength: strengths[s]!,
        measures,
        promptChange,
        gain: differenceOf(measures.scores.trainingSimilarities, base.scores.trainingSimilarities),
        faults: faultsOf(measures, base, training, promptChange),
      }
    }),
  )
}

function faultsOf(
  cell: MeasuredCell,
  base: MeasuredCell,
  training: MeasuredComparison['training'],
  promptChange: number | undefined,
): readonly Fault[] {
  const standards = training ? [base, training] : [base]
  const least = (of: 'detail' | 'saturation' | 'contrast') => cell[of] / Math.min(...standards.map((each) => each[of]))
  const most = (of: 'detail' | 'saturation' | 'contrast') => cell[of] / Math.max(...standards.map((each) => each[of]))
  const faults: readonly [Fault, boolean][] = [
    ['prompt', promptChange !== undefined && promptChange < -limits.promptLoss],
    ['detail', least('detail') < limits.least],
    ['grey', least('saturation') < limits.least || least('contrast') < limits.least],
    ['burnt', most('saturation') > limits.most || most('contrast') > limits.most || most('detail') > limits.mostDetail],
    ['copies', (cell.nearCopies?.share.value ?? 0) > limits.copies],
  ]
  return faults.flatMap(([fault, isThere]) => (isThere ? [fault] : []))
}

/**
 * Among cells without a fault, the one nearest to the training pictures. Those that are as near within one standard
 * error of the paired difference count as equal (the rule of Breiman et al. 1984, 3.4.3); of equals the one that follows
 * its prompt best is taken, then the weaker.
 */
export function verdictOf(judged: readonly (readonly JudgedCell[])[], base: MeasuredCell): Verdict {
  const all = judged.flat()
  const sound = all.filter(({ faults }) => faults.length === 0)
  if (!base.clipScore) {
    return {
      best: undefined,
      reasons: [
        'No judge of pictures and words was given (--evaluator or --clip): only detail, colour and copies were measured, and which version is best cannot be said.',
        ...rangesOf(judged),
      ],
    }
  }
  if (sound.length === 0) {
    const least = [...all].sort(
      (a, b) => a.faults.length - b.faults.length || (b.promptChange ?? 0) - (a.promptChange ?? 0),
    )[0]!
    return {
      best: undefined,
      reasons: [
        `Every cell has a fault; the least is ${nameOf(least)}: ${faultText(least.faults)}. Train for fewer steps or at a lower rate, or compare lower strengths.`,
        ...rangesOf(judged),
      ],
    }
  }
  return base.scores.trainingSimilarities ? byTraining(judged, sound, base) : byChange(judged, sound, base)
}

function byTraining(
  judged: readonly (readonly JudgedCell[])[],
  sound: readonly JudgedCell[],
  base: MeasuredCell,
): Verdict {
  const nearest = largest(sound, ({ gain }) => gain?.value ?? 0)
  const equals = sound.filter(({ measures }) => {
    const difference = differenceOf(nearest.measures.scores.trainingSimilarities, measures.scores.trainingSimilarities)
    return difference !== undefined && difference.value <= difference.error
  })
  const best = largest(equals.length > 0 ? equals : [nearest], ({ measures, strength }) => [
    measures.clipScore?.value ?? 0,
    -Math.abs(strength),
  ])
  const gain = best.gain ?? { value: 0, error: 0 }
  if (gain.value <= gain.error) {
    return {
      best: undefined,
      reasons: [
        `No cell without a fault comes nearer to the training pictures than the base model does (similarity ${fixed(base.trainingSimilarity!.value)}): too little was learnt. Train longer or at a higher rate.`,
        ...rangesOf(judged),
      ],
    }
  }
  const reasons = [
    `${nameOf(best)} is the best: its pictures are nearer to the training pictures than the base model's (similarity ${fixed(best.measures.trainingSimilarity!.value)} against ${fixed(base.trainingSimilarity!.value)}), and the prompt is still followed (CLIP score ${fixed(best.measures.clipScore!.value, 1)} against ${fixed(base.clipScore!.value, 1)}, ${percent(best.promptChange ?? 0)}).`,
  ]
  const others = equals.length - 1
  if (others > 0) {
    reasons.push(
      `${others} other cell${others === 1 ? ' is' : 's are'} as near within what these pictures can tell; of them this one follows the prompt best. More seeds tell more.`,
    )
  }
  reasons.push(copiesText(best), ...rangesOf(judged))
  return { best: { version: best.version, strength: best.strength }, reasons }
}

/** Without training pictures: the largest change of the base model's pictures that leaves them sound. */
function byChange(
  judged: readonly (readonly JudgedCell[])[],
  sound: readonly JudgedCell[],
  base: MeasuredCell,
): Verdict {
  const best = largest(sound, ({ measures }) => -(measures.baseSimilarity?.value ?? 1))
  return {
    best: { version: best.version, strength: best.strength },
    reasons: [
      `${nameOf(best)} changes the base model's pictures most (similarity ${fixed(best.measures.baseSimilarity!.value)}) without a fault; the prompt is still followed (CLIP score ${fixed(best.measures.clipScore!.value, 1)} against ${fixed(base.clipScore!.value, 1)}, ${percent(best.promptChange ?? 0)}).`,
      'No training pictures were given (--dataset), so whether the change is the wanted one was not measured.',
      ...rangesOf(judged),
    ],
  }
}

/** For each version, which strengths are sound and what the others lose. */
function rangesOf(judged: readonly (readonly JudgedCell[])[]): readonly string[] {
  return judged.map((row) => {
    const { version } = row[0]!
    const sound = row.filter(({ faults }) => faults.length === 0)
    const parts = [
      sound.length === row.length
        ? 'sound at every strength'
        : sound.length === 0
          ? 'sound at no strength'
          : `sound at ${listed(sound)}`,
    ]
    for (const fault of Object.keys(faultWords) as Fault[]) {
      const faulty = row.filter(({ faults }) => faults.includes(fault))
      if (faulty.length > 0) parts.push(`${faultWords[fault]} at ${listed(faulty)}`)
    }
    return `${version}: ${parts.join('; ')}.`
  })
}

function copiesText({ measures: { nearCopies } }: JudgedCell): string {
  if (!nearCopies) return 'Copies were not looked for.'
  const count = nearCopies.share.value
  return count === 0
    ? `None of its pictures repeats a training picture (the nearest differs by ${fixed(nearCopies.nearest)}).`
    : `${percent(count).replace('+', '')} of its pictures are as good as a training picture.`
}

/** Mean and standard error of paired differences. */
function differenceOf(
  a: readonly number[] | undefined,
  b: readonly number[] | undefined,
): { readonly value: number; readonly error: number } | undefined {
  if (!a || !b) return undefined
  const differences = a.map((value, i) => value - b[i]!)
  const value = differences.reduce((sum, x) => sum + x, 0) / differences.length
  const variance = differences.reduce((sum, x) => sum + (x - value) ** 2, 0) / Math.max(1, differences.length - 1)
  return { value, error: Math.sqrt(variance / differences.length) }
}

/** The first of the largest, by one number or by several in turn. */
function largest<T>(items: readonly T[], of: (item: T) => number | readonly number[]): T {
  const keys = (item: T) => [of(item)].flat()
  return items.reduce((best, item) => {
    const [now, then] = [keys(item), keys(best)]
    const at = now.findIndex((key, i) => key !== then[i])
    return at >= 0 && now[at]! > then[at]! ? item : best
  })
}

function nameOf({ version, strength }: JudgedCell): string {
  return `${version} at ${strengthText(strength)}`
}

function listed(cells: readonly JudgedCell[]): string {
  return cells.map(({ strength }) => strengthText(strength)).join(', ')
}

export function faultText(faults: readonly Fault[]): string {
  return faults.map((fault) => faultWords[fault]).join('; ')
}

const fixed = (value: number, digits = 3) => value.toFixed(digits)
const percent = (share: number) => `${share >= 0 ? '+' : ''}${(100 * share).toFixed(1)} %`
