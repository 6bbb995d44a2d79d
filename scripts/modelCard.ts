/**
 * Writes docs/model-card.md from what `measure model` wrote and the logs of the runs:
 *
 *     npx tsx scripts/modelCard.ts <checkpoint> <measured folder> <limits.md> <name>=<run folder> …
 */
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openWeights } from '../src/files/openWeights.ts'
import { modelCard } from '../src/metrics/modelCard.ts'
import { inspectWeights } from '../src/models/inspect.ts'
import { readStepLog } from '../src/train/log/stepLog.ts'

const [checkpoint, measured, limits, ...runs] = process.argv.slice(2)
if (checkpoint === undefined || measured === undefined || limits === undefined || runs.length === 0) {
  throw new Error('usage: modelCard.ts <checkpoint> <measured folder> <limits.md> <name>=<run folder> …')
}
const file = openWeights(checkpoint)
copyFileSync(join(measured, 'sheet.png'), 'docs/model-sheet.png')
const card = modelCard({
  title: file.metadata.get('modelspec.title') ?? 'Model',
  fileBytes: statSync(checkpoint).size,
  parameters: inspectWeights(file).total.parameters,
  sources: JSON.parse(file.metadata.get('training_sources') ?? '[]'),
  report: JSON.parse(readFileSync(join(measured, 'report.json'), 'utf8')),
  sheet: 'model-sheet.png',
  limits: readFileSync(limits, 'utf8'),
  runs: runs.map((run) => {
    const [name, folder] = run.split('=') as [string, string]
    return {
      name,
      steps: readStepLog(join(folder, 'log.jsonl')),
      judgements: readStepLog(join(folder, 'judgements.jsonl')),
    }
  }),
})
writeFileSync('docs/model-card.md', card)
