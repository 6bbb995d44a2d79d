import type { StepLine } from '../train/log/stepLog.ts'
import type { Measured } from './interval.ts'
import type { ModelReport } from './measureModel.ts'

/** What a run's logs tell of it. */
export interface RunRecord {
  readonly name: string
  /** Lines of log.jsonl and of judgements.jsonl. */
  readonly steps: readonly StepLine[]
  readonly judgements: readonly StepLine[]
}

export interface ModelCardFacts {
  readonly title: string
  /** Size of the file in bytes, and what it takes when it is open. */
  readonly fileBytes: number
  readonly parameters: number
  /** `training_sources` of the checkpoint's metadata. */
  readonly sources: readonly { readonly package: string; readonly licence: string; readonly author: string }[]
  readonly runs: readonly RunRecord[]
  readonly report: ModelReport
  readonly sheet: string
  /** What fails, in words of whoever looked at the sheet: a list in Markdown. */
  readonly limits: string
}

/** The card of a model: what it learnt from, how, what it is worth, and what it cannot do. */
export function modelCard(facts: ModelCardFacts): string {
  const { title, fileBytes, parameters, sources, runs, report, sheet, limits } = facts
  const { checkpoint, prompts, seeds, steps, cfgScale } = report
  return `# ${title}

A latent diffusion model with the topology of Stable Diffusion 1.x, trained from scratch by this project's own trainer on
open emoji art, on the processors of one machine. ${millions(parameters)} million parameters, ${megabytes(fileBytes)} MB in half
precision; SHA-256 \`${checkpoint.sha256 ?? ''}\`. It paints pictures of 128 × 128 pixels.

![${prompts} prompts](${sheet})

The prompts are those of \`training/prompts.toml\`, in its order, eight to a row: common names, then colours that things do not
have, then colours that these things never had in training. ${steps} steps of DPM++ 2M, guidance ${cfgScale}, seed 1, nothing chosen.

## Data and licences

| package | licence | author |
|---|---|---|
${sources.map((source) => `| ${source.package} | ${source.licence} | ${source.author} |`).join('\n')}

Drawings are laid on grounds, turned in hue, scaled and put beside each other, and captions say so. Share-alike art, flags, one
in 25 renderings and one in ten pairs of colour and thing are kept out of training. The weights are under the licence of this
project.

## Training

| part | steps | samples | hours |
|---|---|---|---|
${runs.map(runRow).join('\n')}

${runs.map(curve).join('\n\n')}

The configurations are \`training/*.toml\`; \`train clip\`, \`train vae\`, \`train unet\` and \`train export\` make the model again. What each part
took, the autoencoder among them, whose log was not kept, is in \`training/README.md\`.

## What it is worth

Measured by \`measure model\` on ${prompts} prompts with ${seeds} seeds each, by an evaluator that was trained separately (another seed,
split, size and loss). Ranges are 95 % confidence intervals.

| | generated | held-out renderings |
|---|---|---|
| caption finds its picture among 64 (R@1) | ${percent(report.generated.first)} | ${percent(report.heldOut.first)} |
| among the first five (R@5) | ${percent(report.generated.firstFive)} | ${percent(report.heldOut.firstFive)} |
${Object.entries(report.byKind)
  .map(([kind, { first }]) => `| R@1, ${kind} prompts | ${percent(first)} | |`)
  .join('\n')}
| nearer than 5 % to a training drawing | ${percent(report.copies)} | ${percent(report.copiesOfHeldOut)} |

| | |
|---|---|
| KID × 1000, generated and held-out | ${range(report.kid, thousandths)} |
| KID × 1000, training drawings and held-out | ${range(report.kidOfTrainingDrawings, thousandths)} |
| PSNR of the autoencoder on held-out renderings | ${range(report.psnr, decibels)} |
| the same on the style that was never trained on | ${range(report.psnrOtherStyle, decibels)} |

KID is taken on the evaluator's vectors and not on Inception's, so it compares with no published number.

## What it cannot do

${limits.trim()}
`
}

function runRow({ name, steps }: RunRecord): string {
  const samples = steps.reduce((sum, line) => sum + (line.samples ?? 0), 0)
  const hours = steps.reduce((sum, line) => sum + (line.seconds ?? 0), 0) / 3600
  return `| ${name} | ${steps.at(-1)?.step ?? 0} | ${samples} | ${hours.toFixed(1)} |`
}

/** Judgements shown of a run: the last, and others evenly before it. */
const shownJudgements = 8

function curve({ name, judgements }: RunRecord): string {
  const stride = Math.max(1, Math.ceil(judgements.length / shownJudgements))
  const shown = judgements.filter((_, i) => (judgements.length - 1 - i) % stride === 0)
  const columns = Object.keys(shown.at(-1) ?? {})
  const row = (line: StepLine) => `| ${columns.map((column) => short(line[column])).join(' | ')} |`
  return [`| ${name}: ${columns.join(' | ')} |`, `|${columns.map(() => '---|').join('')}`, ...shown.map(row)].join('\n')
}

const short = (x: number | undefined) => (x === undefined ? '' : Number.isInteger(x) ? `${x}` : x.toPrecision(3))
const millions = (x: number) => (x / 1e6).toFixed(1)
const megabytes = millions
const thousandths = (x: number) => (1000 * x).toFixed(1)
const decibels = (x: number) => `${x.toFixed(1)} dB`
const percent = (share: Measured) => range(share, (x) => `${(100 * x).toFixed(1)} %`)

/** A number with its interval. */
export function range({ value, low, high }: Measured, text: (x: number) => string): string {
  return `${text(value)} (${text(low)} to ${text(high)})`
}
