import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openWeights } from '../../src/files/openWeights.ts'
import type { WeightFile } from '../../src/files/weights.ts'
import { writeSafetensors } from '../../src/files/writeSafetensors.ts'
import { numberedFile } from './numberedFile.ts'

/** A search of scripts/goldens/blip.py and the tokens it found. */
interface Recorded {
  readonly num_beams: number
  readonly min_length: number
  readonly max_length: number
  readonly repetition_penalty: number
  readonly ids: readonly number[]
}

interface Case {
  readonly weights: Readonly<Record<string, readonly number[]>>
  readonly sep: number
  readonly prompt: readonly number[]
  readonly captions: readonly Recorded[]
}

const golden = openWeights(new URL('../../src/models/goldens/blip.safetensors', import.meta.url).pathname)
const cases = JSON.parse(golden.metadata.get('cases')!) as Record<'salesforce' | 'transformers', Case>

/** The small BLIP of the goldens in one of its layouts, and what is recorded of it. */
export function tinyBlip(layout: 'salesforce' | 'transformers'): Case & { file: WeightFile; golden: WeightFile } {
  return { ...cases[layout], file: numberedFile(`${layout}.pth`, cases[layout].weights), golden }
}

/** Writes that of Salesforce's layout with a vocabulary `w0` to `w59`, `w55` being the end; gives the model's path. */
export function writeTinyBlip(folder: string): string {
  const { file, sep } = tinyBlip('salesforce')
  mkdirSync(folder, { recursive: true })
  const words = Array.from({ length: 60 }, (_, i) => (i === sep ? '[SEP]' : `w${i}`))
  writeFileSync(join(folder, 'vocab.txt'), `${words.join('\n')}\n`)
  const path = join(folder, 'model.safetensors')
  writeSafetensors(path, [...file.entries.values()])
  return path
}
