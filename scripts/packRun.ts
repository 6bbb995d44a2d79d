/**
 * Writes what is used of a finished run: its averages in half precision, without parameters and the optimizer's state.
 *
 *     npx tsx scripts/packRun.ts <run folder> <folder of training/checkpoints>
 */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openWeights } from '../src/files/openWeights.ts'
import { readWeight } from '../src/files/readWeight.ts'
import { writeSafetensors } from '../src/files/writeSafetensors.ts'
import { averagePrefix, halfEntryOf } from '../src/train/checkpoint.ts'
import { vocabularyName } from '../src/train/clipRun.ts'
import { checkpointPath } from '../src/train/run.ts'

const [run, packed] = process.argv.slice(2)
if (run === undefined || packed === undefined) throw new Error('usage: packRun.ts <run folder> <folder>')
const { entries, metadata } = openWeights(checkpointPath(run))
const kept = [...entries.values()].flatMap((entry) => {
  if (entry.name === vocabularyName) return [entry]
  return entry.name.startsWith(averagePrefix) ? [halfEntryOf(entry.name, readWeight(entry))] : []
})
const facts = ['step', 'fingerprint'].map((key) => [key, metadata.get(key) ?? ''] as const)
mkdirSync(packed, { recursive: true })
writeSafetensors(checkpointPath(packed), kept, new Map(facts))
for (const log of ['log.jsonl', 'judgements.jsonl']) {
  if (existsSync(join(run, log))) copyFileSync(join(run, log), join(packed, log))
}
