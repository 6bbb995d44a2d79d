import { encodePng } from '../image/encode.ts'
import type { Rgb8 } from '../image/picture.ts'
import type { Studio } from '../pipeline/studio.ts'
import { type CellMeasures, type Judging, measureComparison, shown } from './measureCells.ts'
import { comparisonPage } from './page.ts'
import { type Comparison, type PaintControls, paintComparison } from './paint.ts'
import { comparisonSheet } from './sheet.ts'
import { type Fault, type JudgedCell, judgeCells, limits, type Verdict, verdictOf } from './verdict.ts'

/** A comparison as JSON. */
export interface ComparisonReport {
  readonly checkpoint: { readonly name: string; readonly sha256: string | undefined }
  readonly prompts: readonly string[]
  readonly seeds: readonly number[]
  /** What the CLIP score compares with. */
  readonly captions: readonly string[]
  readonly trainingPictures: number
  readonly base: CellMeasures
  /** By version, then by strength. */
  readonly cells: readonly (readonly ReportedCell[])[]
  readonly verdict: Verdict
  readonly limits: typeof limits
  readonly notes: readonly string[]
}

export interface ReportedCell extends CellMeasures {
  readonly version: string
  readonly strength: number
  readonly faults: readonly Fault[]
  readonly promptChange: number | undefined
  readonly gain: JudgedCell['gain']
}

/** A comparison as files. */
export interface ComparisonResult {
  readonly report: ComparisonReport
  /** An annotated grid for every prompt, of the first seed, as PNG. */
  readonly grids: readonly Uint8Array[]
  readonly page: string
  /** Every picture by version and strength, and the base model's. */
  readonly pictures: { readonly base: readonly Rgb8[]; readonly cells: readonly (readonly (readonly Rgb8[])[])[] }
}

/** Paints versions × strengths of a network, measures every cell, and says which is best and why. */
export async function compareVersions(
  studio: Studio,
  comparison: Comparison,
  judging: Judging,
  controls: PaintControls = {},
): Promise<ComparisonResult> {
  const { prompts, seeds, versions, strengths } = comparison
  const painted = await paintComparison(studio, comparison, controls)
  const measured = await measureComparison(comparison, painted, judging)
  const judged = judgeCells(measured, versions.values, strengths.values)
  const verdict = verdictOf(judged, measured.base)
  const grids: Uint8Array[] = []
  for (const prompt of prompts.keys()) {
    grids.push(await encodePng(await comparisonSheet(painted, judged, verdict, prompt)))
  }
  const { checkpoint, notes } = painted
  return {
    report: {
      checkpoint: { name: checkpoint.name, sha256: checkpoint.hash },
      prompts,
      seeds,
      captions: prompts.map((prompt) => shown(prompt, versions.searched, strengths.searched)),
      trainingPictures: judging.training.length,
      base: plain(measured.base),
      cells: judged.map((row) => row.map(({ measures, ...cell }) => ({ ...cell, ...plain(measures) }))),
      verdict,
      limits,
      notes,
    },
    grids,
    page: await comparisonPage(comparison, painted, judged, measured.base, verdict),
    pictures: {
      base: painted.base.pictures,
      cells: painted.cells.map((row) => row.map(({ pictures }) => pictures)),
    },
  }
}

/** Without the numbers of single pictures. */
function plain({ scores: _, ...measures }: JudgedCell['measures']): CellMeasures {
  return measures
}
