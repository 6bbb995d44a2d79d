import { resolve } from 'node:path'
import { oldModelHash } from '../../files/hash.ts'
import type { Studio } from '../../pipeline/studio.ts'
import { dataFacts } from './data.ts'
import type { TrainingFacts } from './metadata.ts'
import type { PreparedRun } from './prepare.ts'

/** What tells the files a run depends on from others. */
export interface RunHashes {
  readonly vae: string
  /** Of the base model with what was merged into it, and how its text encoder is read. */
  readonly encoder: string
}

/** What a run's files say of it, and the hashes of what it learns from. Relative paths begin at `folder`. */
export async function trainingFacts(
  run: PreparedRun,
  { studio, folder, programVersion }: { studio: Studio; folder: string; programVersion: string },
): Promise<{ facts: TrainingFacts; hashes: RunHashes }> {
  const { base, args, settings, datasets, data, seed, schedule } = run
  const { hashes } = studio.library
  const hash = await hashes.file(base.checkpoint.path)
  const vae = base.vae && {
    name: base.vae.path,
    hash: await hashes.file(base.vae.path),
    oldHash: oldModelHash(base.vae.path),
  }
  const isV = run.model.prediction === 'v'
  const version = base.config.kind === 'sd1' ? 'sd_v1' : isV ? 'sd_v2_v' : 'sd_v2'
  const facts: TrainingFacts = {
    args,
    settings,
    datasets,
    data: dataFacts(data.datasets),
    base: { name: base.checkpoint.path, hash, oldHash: oldModelHash(base.checkpoint.path), version, isV },
    vae,
    sessionId: Math.floor(Math.random() * 2 ** 32),
    startedAt: new Date(),
    seed,
    batchesPerEpoch: schedule.batchesPerEpoch,
    epochs: schedule.epochs,
    totalSteps: schedule.totalSteps,
    programVersion,
  }
  const merged = await Promise.all(args.base_weights.map((path) => hashes.file(resolve(folder, path))))
  const encoder = JSON.stringify([hash, merged, args.base_weights_multiplier, settings.text])
  return { facts, hashes: { vae: vae?.hash ?? hash, encoder } }
}
