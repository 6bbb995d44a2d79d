import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { replaceFile } from '../../files/replaceFile.ts'

/** One line of a log: a step's number and what was measured there. */
export type StepLine = Readonly<Record<string, number>> & { readonly step: number }

/** A log of JSON lines, one for each step. */
export interface StepLog {
  append(line: StepLine): void
}

/**
 * Opens a log for a run that has done `step` steps. Lines of later steps, which a run that was cut off wrote after its
 * last checkpoint, are taken out, as is a line that is not whole.
 */
export function openStepLog(path: string, step: number): StepLog {
  mkdirSync(dirname(path), { recursive: true })
  if (existsSync(path)) {
    const kept = readStepLog(path).filter((line) => line.step <= step)
    replaceFile(path, [new TextEncoder().encode(kept.map(textOf).join(''))])
  }
  return { append: (line) => appendFileSync(path, textOf(line)) }
}

/** The whole lines of a log. */
export function readStepLog(path: string): readonly StepLine[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .flatMap((text) => {
      try {
        return [JSON.parse(text) as StepLine]
      } catch {
        return []
      }
    })
}

function textOf(line: StepLine): string {
  return `${JSON.stringify(line)}\n`
}
