import { shrunkTo } from '../dataset/quality/measures.ts'
import { encodeJpeg } from '../image/encode.ts'
import type { Rgb8 } from '../image/picture.ts'
import type { Measured } from '../metrics/interval.ts'
import { escapeHtml as text } from '../text/escapeHtml.ts'
import { strengthText } from './axis.ts'
import type { Comparison, Painted } from './paint.ts'
import { faultText, type JudgedCell, limits, type Verdict } from './verdict.ts'

const style = `
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 96rem; padding: 0 1rem; color: #222; background: #fafafa }
.scroll { overflow-x: auto } table { border-collapse: collapse } th, td { padding: .3rem; vertical-align: top; text-align: left; border: 1px solid #ddd }
td img, p img { width: 128px; display: block } dl { display: grid; grid-template-columns: auto auto; gap: 0 .6rem; margin: .2rem 0; font-size: .8rem } dd { margin: 0 }
td.best { outline: 3px solid #2a2; outline-offset: -3px } td .faults { color: #b3261e; font-size: .8rem; max-width: 12rem; margin: .2rem 0 }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } th, td { border-color: #444 } td .faults { color: #f2938c } }`

/** A thumbnail's short side. */
const thumbnailSide = 128

/** The comparison as one page that needs nothing else: verdict, then every prompt's pictures with their cells' numbers. */
export async function comparisonPage(
  { prompts, seeds, versions, strengths }: Comparison,
  painted: Painted,
  judged: readonly (readonly JudgedCell[])[],
  base: JudgedCell['measures'],
  verdict: Verdict,
): Promise<string> {
  const tables: string[] = []
  for (const [prompt, words] of prompts.entries()) {
    const rows: string[] = []
    for (const [v, row] of judged.entries()) {
      const cells: string[] = []
      for (const [s, cell] of row.entries()) {
        const isBest = verdict.best?.version === cell.version && verdict.best.strength === cell.strength
        const image = await imageOf(painted.cells[v]![s]!.pictures[prompt]!)
        const faults = cell.faults.length > 0 ? `<p class="faults">${text(faultText(cell.faults))}</p>` : ''
        cells.push(`<td${isBest ? ' class="best"' : ''}>${image}${numbersOf(cell.measures)}${faults}</td>`)
      }
      rows.push(`<tr><th>${text(versions.values[v]!)}</th>${cells.join('')}</tr>`)
    }
    const head = strengths.values.map((strength) => `<th>${strengthText(strength)}</th>`).join('')
    tables.push(
      `<h2>${text(words)}</h2><p>Without the network:${await imageOf(painted.base.pictures[prompt]!)}</p>
<div class="scroll"><table><tr><th></th>${head}</tr>${rows.join('\n')}</table></div>`,
    )
  }
  const [first] = verdict.reasons
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Comparison</title>
<style>${style}</style></head><body><h1>${text(painted.checkpoint.name)}: versions and strengths</h1>
<p><strong>${text(first ?? '')}</strong></p>
<ul>${verdict.reasons
    .slice(1)
    .map((reason) => `<li>${text(reason)}</li>`)
    .join('')}</ul>
<p>Numbers are means over ${prompts.length * seeds.length} pictures of a cell (${prompts.length} prompts, seeds ${seeds.join(', ')}); pictures are those of the first seed. Of the base model:</p>
${numbersOf(base)}
${tables.join('\n')}
<h2>Limits</h2><ul>
<li>The CLIP score may fall by ${100 * limits.promptLoss} % of the base model's.</li>
<li>Detail, colour and contrast keep ${limits.least} of the lower of the base model's and the training pictures'; colour and contrast stay below ${limits.most} times, detail below ${limits.mostDetail} times the higher.</li>
<li>Up to ${100 * limits.copies} % of the pictures may be as good as a training picture.</li></ul>
</body></html>
`
}

function numbersOf(measures: JudgedCell['measures']): string {
  const { clipScore, trainingSimilarity, baseSimilarity, nearCopies, detail, saturation, contrast } = measures
  const withRange = (measured: Measured | undefined, digits: number) =>
    measured && `${measured.value.toFixed(digits)} ± ${((measured.high - measured.low) / 2).toFixed(digits)}`
  const entries: readonly [string, string | undefined][] = [
    ['CLIP score', withRange(clipScore, 1)],
    ['like the set', withRange(trainingSimilarity, 3)],
    ['like the base', withRange(baseSimilarity, 3)],
    ['copies', nearCopies && `${(100 * nearCopies.share.value).toFixed(0)} % (${nearCopies.nearest.toFixed(3)})`],
    ['detail', detail.toFixed(0)],
    ['colour', saturation.toFixed(0)],
    ['contrast', contrast.toFixed(0)],
  ]
  return `<dl>${entries.map(([name, value]) => (value === undefined ? '' : `<dt>${name}</dt><dd>${value}</dd>`)).join('')}</dl>`
}

async function imageOf(source: Rgb8): Promise<string> {
  const bytes = await encodeJpeg(shrunkTo(source, thumbnailSide), { quality: 85 })
  return `<img alt="" src="data:image/jpeg;base64,${Buffer.from(bytes).toString('base64')}">`
}
