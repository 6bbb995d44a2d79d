import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStudio, type Studio } from '../../src/pipeline/studio.ts'
import { epochBatches } from '../../src/train/batches.ts'
import { parseFlags } from '../../src/train/flags.ts'
import { readArguments } from '../../src/train/lora/arguments.ts'
import { dataFacts } from '../../src/train/lora/data.ts'
import { networkMetadata } from '../../src/train/lora/metadata.ts'
import { prepareRun } from '../../src/train/lora/prepare.ts'
import { validationTimesteps } from '../../src/train/lora/validation.ts'

const golden = fileURLToPath(new URL('../golden/models/', import.meta.url))
const recordings = fileURLToPath(new URL('../golden-training/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'athanor-metadata-'))
let studio: Studio
beforeAll(() => {
  mkdirSync(join(folder, 'models', 'Stable-diffusion'), { recursive: true })
  for (const name of ['tiny-sd1.safetensors', 'tiny-sd1.yaml']) {
    symlinkSync(join(golden, name), join(folder, 'models', 'Stable-diffusion', name))
  }
  studio = openStudio(folder, { threads: 1 })
})
afterAll(async () => {
  await studio.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Recorded {
  readonly args: readonly string[]
  readonly metadata: Readonly<Record<string, Record<string, string>>>
  readonly steps: readonly { readonly global_step: number; readonly epoch: number }[]
  readonly buckets: {
    readonly bucket_info: { readonly buckets: Record<string, { resolution: number[]; count: number }> }
  }
  readonly val?: readonly { readonly timesteps: readonly number[] }[]
}
const recorded = (name: string) =>
  JSON.parse(readFileSync(join(recordings, 'runs', `${name}.json`), 'utf8')) as Recorded

async function prepared(name: string) {
  const run = recorded(name)
  const args = run.args.map((arg) => (arg === 'models/tiny-sd1.safetensors' ? 'tiny-sd1' : arg))
  const read = readArguments(new Map(), parseFlags(args))
  return { run, ready: await prepareRun(read, studio, recordings, 1) }
}

/** Of the moment, of the program, or of bytes that only the same random numbers would give. */
const passing =
  /^(ss_session_id|ss_training_(started|finished)_at|sshs_.*|modelspec\.(date|implementation_version)|ss_sd_scripts_commit_hash)$/

test.each(['a2', 'b', 'c3_multires', 'd_maxnorm', 'e_captions', 'f_reg', 'g_prodigy', 'j_validation', 'm_te150_clip2'])(
  '%s: metadata say what kohya’s say, character for character',
  async (name) => {
    const { run, ready } = await prepared(name)
    const [metadata] = Object.values(run.metadata)
    const { schedule, settings, datasets, data, args, seed } = ready
    const found = networkMetadata(
      {
        args,
        settings,
        datasets,
        data: dataFacts(data.datasets),
        base: {
          name: ready.base.checkpoint.path,
          hash: metadata!.ss_new_sd_model_hash!,
          oldHash: metadata!.ss_sd_model_hash!,
          version: 'sd_v1',
          isV: false,
        },
        vae: undefined,
        sessionId: 1,
        startedAt: new Date(0),
        seed,
        batchesPerEpoch: schedule.batchesPerEpoch,
        epochs: schedule.epochs,
        totalSteps: schedule.totalSteps,
        programVersion: '1',
      },
      { epoch: Number(metadata!.ss_epoch), step: Number(metadata!.ss_steps), now: new Date(0) },
    )
    const ours = Object.fromEntries([...found].filter(([key]) => !passing.test(key)))
    const theirs = Object.fromEntries(Object.entries(metadata!).filter(([key]) => !passing.test(key)))
    expect(ours).toEqual(theirs)
  },
)

test.each(['a2', 'f_reg', 'n_toml', 'q_noupscale', 'u_nocache'])(
  '%s: pictures lie in the buckets they were recorded in',
  async (name) => {
    const { run, ready } = await prepared(name)
    expect(dataFacts(ready.data.datasets).buckets).toEqual(run.buckets.bucket_info.buckets)
  },
)

test('an epoch draws every picture as often as its folder says, in another order each time', async () => {
  const { ready } = await prepared('a2')
  const [first, second, again] = [1, 2, 1].map((epoch) => epochBatches(ready.data.datasets, epoch, 42))
  const drawn = (batches: typeof first) => batches!.flat().map(({ path }) => path)
  expect(first).toHaveLength(16)
  expect(drawn(first).sort()).toEqual(drawn(second).sort())
  expect(drawn(first)).toEqual(drawn(again))
  expect(drawn(first)).not.toEqual(drawn(second))
  for (const batch of first!) expect(new Set(batch.map(({ place }) => place.bucket.join())).size).toBe(1)
})

test('pictures to judge by are apart from the others and seen at the recorded timesteps', async () => {
  const { run, ready } = await prepared('j_validation')
  const [dataset] = ready.data.datasets
  const apart = new Set(dataset!.validation.map(({ path }) => path))
  expect(apart.size).toBe(2)
  expect(dataset!.train.some(({ path }) => apart.has(path))).toBe(false)
  const seen = [...new Set(run.val!.flatMap(({ timesteps }) => timesteps))].sort((a, b) => a - b)
  expect(validationTimesteps(ready.settings.timesteps)).toEqual(seen)
})
