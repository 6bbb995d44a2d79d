import { annotatedGrid } from '../image/annotatedGrid.ts'
import { drawSvg } from '../image/drawSvg.ts'
import { pictureGrid } from '../image/grid.ts'
import { lineSvg, lineWidth } from '../image/lettering.ts'
import { filled, pasted, type Rgb8 } from '../image/picture.ts'
import { strengthText } from './axis.ts'
import type { Painted } from './paint.ts'
import type { JudgedCell, Verdict } from './verdict.ts'

const ink = { plain: '#222222', fault: '#b3261e', best: '#0b6e2e' }

/** One prompt's pictures: versions below each other, strengths side by side, under each what was measured of its cell. */
export async function comparisonSheet(
  painted: Painted,
  judged: readonly (readonly JudgedCell[])[],
  { best }: Verdict,
  picture: number,
): Promise<Rgb8> {
  const cells: Rgb8[] = []
  for (const [v, row] of judged.entries()) {
    for (const [s, cell] of row.entries()) {
      const isBest = best?.version === cell.version && best.strength === cell.strength
      cells.push(await captioned(painted.cells[v]![s]!.pictures[picture]!, cell, isBest))
    }
  }
  const { width, height } = cells[0]!
  return annotatedGrid(pictureGrid(cells, judged.length), {
    width,
    height,
    columns: judged[0]!.map(({ strength }) => [{ text: strengthText(strength), isActive: true }]),
    rows: judged.map((row) => [{ text: row[0]!.version, isActive: true }]),
    margin: 4,
    colors: { background: '#ffffff', active: '#000000', inactive: '#999999' },
  })
}

async function captioned(source: Rgb8, cell: JudgedCell, isBest: boolean): Promise<Rgb8> {
  const size = Math.max(6, Math.floor(source.width / 14))
  const { clipScore, trainingSimilarity, baseSimilarity, nearCopies } = cell.measures
  const lines = [
    [
      clipScore && `CLIP ${clipScore.value.toFixed(1)}`,
      nearCopies && `copies ${(100 * nearCopies.share.value).toFixed(0)} %`,
    ],
    [
      trainingSimilarity && `set ${trainingSimilarity.value.toFixed(2)}`,
      baseSimilarity && `base ${baseSimilarity.value.toFixed(2)}`,
    ],
    [isBest ? 'best' : cell.faults.join(', ')],
  ].map((parts) => parts.filter((part) => part !== undefined).join('  '))
  const color = isBest ? ink.best : cell.faults.length > 0 ? ink.fault : ink.plain
  const step = Math.ceil(size * 1.3)
  const all = filled(3, source.width, source.height + step * lines.length + 4, [255, 255, 255])
  const letters = lines.map((line, i) => {
    const wide = lineWidth(line, size)
    const fitting = wide > source.width ? (size * source.width) / wide : size
    return line === '' ? '' : lineSvg(line, 2, source.height + step * i + size, fitting, color)
  })
  return drawSvg(pasted(all, source, 0, 0), letters.join(''))
}
