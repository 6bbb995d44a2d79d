import { describe, expect, test } from 'vitest'
import { latentConsistency, varianceExploding, variancePreserving } from '../../src/diffusion/denoiser.ts'
import { guide } from '../../src/diffusion/guidance.ts'
import { resolveSampler } from '../../src/diffusion/samplers/index.ts'
import { autoencoder, drawLatents } from '../../src/pipeline/autoencoder.ts'
import { sampleBatch } from '../../src/pipeline/batch.ts'
import { batchesOf } from '../../src/pipeline/batches.ts'
import { readEmbeddings } from '../../src/pipeline/embeddingFile.ts'
import { pasteUnmasked, type StartState, startFrom } from '../../src/pipeline/initLatent.ts'
import { adaptModel, type Job, preparePainter } from '../../src/pipeline/job.ts'
import { predictor } from '../../src/pipeline/predictor.ts'
import type { Recipe } from '../../src/pipeline/recipe.ts'
import { callsOf, layOutPass, noiseOf } from '../../src/pipeline/sampling.ts'
import { conditioner, levelsOf } from '../../src/pipeline/source.ts'
import { recipeFromRequest } from '../../src/pipeline/wire/recipeFromRequest.ts'
import { rows, stack, type Tensor } from '../../src/tensor/tensor.ts'
import { relativeError } from '../models/runOnce.ts'
import { goldenStudio } from './goldenStudio.ts'
import { cases, requestOf } from './recorded.ts'
import { tensorSets, tensorsOf } from './recordedTensors.ts'

const tolerance = 1e-3

const studio = goldenStudio()

describe.each(tensorSets)('%s', (id) => {
  const recorded = tensorsOf(id)

  test('texts are encoded alike', async () => {
    const { painter } = await opened(id)
    const { cond, uncond } = painter.conditioning
    const texts = [...new Set(uncond), ...new Set(cond.flatMap((parts) => parts.map(({ text }) => text)))]
    const encoded = texts.flatMap(({ contexts }) =>
      Array.from({ length: contexts[0]!.shape[0]! / 77 }, (_, chunk) =>
        stack(contexts.map((context) => asRow(rows(context, chunk * 77, chunk * 77 + 77)))),
      ),
    )
    const expected = recorded.series('te', '.z').slice(0, encoded.length)
    expect(expected.length).toBe(encoded.length)
    for (const [i, z] of expected.entries()) expect(relativeError(encoded[i]!, z), `z ${i}`).toBeLessThan(tolerance)
  })

  test('noise is drawn alike', async () => {
    const { recipe } = await opened(id)
    const expected = recorded.series('rng_next')
    const first = expected[0]!.shape.slice(1)
    const perBatch = Math.ceil(expected.length / batchesOf(recipe).length)
    let draw = drawsOf(recipe, 0, first)
    let shape = first
    for (const [i, noise] of expected.entries()) {
      const isContent = i === 1 && recipe.init?.mask?.content === 'latent noise'
      const isHires = noise.shape[2] !== shape[1]
      if (isContent || isHires || (i > 0 && i % perBatch === 0)) {
        shape = noise.shape.slice(1)
        draw = drawsOf(recipe, isHires ? 0 : Math.floor(i / perBatch), shape)
      }
      expect(relativeError(draw(), noise), `draw ${i}`).toBeLessThan(1e-5)
    }
  })

  test('levels are spaced alike', async () => {
    const { recipe, laidOut } = await opened(id)
    const { plan, choice } = laidOut
    if (choice.sampler.kind === 'timesteps') {
      expect(plan.levels).toEqual(Array.from(recorded.get('timesteps.000').data.slice(0, plan.levels.length)))
    } else {
      const all = Array.from(recorded.get('sigmas.000').data)
      const spacedByItself = choice.sampler.kind === 'ends'
      const walked = spacedByItself ? plan.levels.slice(0, 1) : plan.levels
      const expected = spacedByItself ? all.slice(0, 1) : all.slice(-walked.length)
      for (const [i, sigma] of expected.entries()) expect(walked[i]!).toBeCloseTo(sigma, 4)
    }
    expect(recipe.pass.steps).toBeGreaterThan(0)
  })

  test('the UNet answers alike', async () => {
    const { painter, recipe } = await opened(id)
    const use = { tiling: recipe.tiling, tokenMergingRatio: 0, extraChannels: undefined }
    const predict = predictor(painter.adapted, use, studio().pool)
    for (const [i, x] of recorded.series('unet', '.x').entries()) {
      const context = recorded.get(`unet.00${i}.context`)
      const asked = Array.from({ length: x.shape[0]! }, (_, row) => ({ image: 0, context: withoutBatch(context, row) }))
      const out = await predict(x, recorded.get(`unet.00${i}.t`).data[0]!, asked)
      expect(relativeError(out, recorded.get(`unet.00${i}.out`)), `call ${i}`).toBeLessThan(tolerance)
    }
  })

  test('each guided estimate of the first pass is alike, given the same latent', async () => {
    const { guided, recipe } = await guidance(id)
    const count = recorded.get('cfg.000.denoised').shape[0]!
    const shape = recorded.get('cfg.000.denoised').shape.join()
    const inputs = recorded.series('cfg', '.x_in').slice(0, recipe.images.length > count ? undefined : 100)
    const perBatch = inputs.length / batchesOf(recipe).length
    for (const [i, input] of inputs.entries()) {
      const number = String(i).padStart(3, '0')
      const denoised = recorded.get(`cfg.${number}.denoised`)
      // A second batch counts its calls anew, a second pass has another size: both are for the test of whole runs.
      if (denoised.shape.join() !== shape || i >= perBatch) break
      const x = rows(input, input.shape[0]! - count, input.shape[0]!)
      const estimate = await guided(x, recorded.get(`cfg.${number}.sigma_in`).data[0]!)
      expect(relativeError(estimate, denoised), `call ${i}`).toBeLessThan(tolerance)
    }
  })

  test('the VAE answers alike', async () => {
    const { recipe, painter } = await opened(id)
    const vae = autoencoder(painter.adapted.model, recipe, studio().pool)
    for (const [i, latent] of recorded.series('decode', '.latent').entries()) {
      expect(relativeError(await vae.decode(latent), recorded.get(`decode.00${i}.image`))).toBeLessThan(tolerance)
    }
    for (const [i, image] of recorded.series('encode', '.image').entries()) {
      const pixels = { shape: image.shape, data: image.data.map((value) => 2 * value - 1) }
      const seeds = recipe.images.map(({ seed }) => seed)
      expect(
        relativeError(drawLatents(await vae.encode(pixels), seeds), recorded.get(`encode.00${i}.latent`)),
      ).toBeLessThan(tolerance)
    }
  })

  test('whole passes end alike', async () => {
    const { job, recipe, start } = await opened(id)
    const expected = recorded.series('sample', '.result')
    // The adaptive sampler chooses its steps by comparing numbers that rounding moves.
    const limit = recipe.pass.sampler === 'DPM adaptive' ? 0.05 : tolerance
    const results: Tensor[] = []
    for (const batch of batchesOf(recipe)) {
      const run = sampleBatch(job, batch, start)
      let pass = 'first'
      let latent: Tensor | undefined
      for (let next = await run.next(); ; next = await run.next()) {
        if (next.done) {
          results.push(next.value.latent)
          break
        }
        if (next.value.pass !== pass) results.push(latent!)
        pass = next.value.pass
        latent = next.value.latent
      }
    }
    expect(results.length).toBe(expected.length)
    const masked = start?.masked
    const original = start?.latentsOf(batchesOf(recipe)[0]!)
    for (const [i, result] of expected.entries()) {
      // What lies outside the mask is put back after the sampler, whose own result was recorded.
      const whole = masked ? pasteUnmasked(result, original!, masked.latentMask) : result
      expect(relativeError(results[i]!, whole), `pass ${i}`).toBeLessThan(limit)
    }
  })

  if (recorded.has('latent_nmask')) {
    test('the latent mask is alike', async () => {
      const { start } = await opened(id)
      const mask = recorded.get('latent_nmask')
      const plane = start!.masked!.latentMask
      expect(relativeError(plane, { shape: plane.shape, data: mask.data.slice(0, plane.data.length) })).toBe(0)
    })
  }
})

/** Everything that a case's first pass is made of. */
async function opened(id: string) {
  const each = cases.find((one) => one.id === id)!
  const recipe = await recipeFromRequest(requestOf(each), each.endpoint, studio())
  const facts = new Map()
  const embeddings = await readEmbeddings(recipe)
  const job: Job = {
    studio: studio(),
    recipe,
    facts,
    embeddings,
    signal: undefined,
    interrupt: undefined,
    skip: undefined,
  }
  const model = studio().model(recipe)
  const adapted = await adaptModel(job, model, recipe.images)
  const timeline = { steps: callsOf(recipe.pass), useOldScheduling: false }
  const painter = await preparePainter(job, adapted, adapted, batchesOf(recipe)[0]!.images, timeline)
  const levels = levelsOf(model, recipe.sampling)
  const laidOut = layOutPass(recipe, recipe.pass, levels, facts, recipe.init, false)
  const vae = autoencoder(model, recipe, studio().pool)
  const start: StartState | undefined = recipe.init && (await startFrom(recipe, recipe.init, vae, undefined, facts))
  return { recipe, job, painter, laidOut, start }
}

/** Guidance of a case's first pass, as its sampler would call it. */
async function guidance(id: string) {
  const { recipe, painter, start, laidOut } = await opened(id)
  const { sampler } = resolveSampler(recipe.pass.sampler, recipe.pass.scheduler)
  const use = { tiling: recipe.tiling, tokenMergingRatio: 0, extraChannels: undefined }
  const { source } = conditioner({ recipe, painter, use, pool: studio().pool, facts: new Map(), takeover: undefined })
  const masked = start?.masked
  const original = start?.latentsOf(batchesOf(recipe)[0]!)
  const guided = guide(
    source,
    {
      ...recipe.guidance,
      blend: masked && original && ((latent) => pasteUnmasked(latent, original, masked.latentMask)),
    },
    {
      parameterization:
        sampler.kind === 'timesteps'
          ? variancePreserving
          : sampler.kind === 'consistency'
            ? latentConsistency
            : varianceExploding,
      blends: laidOut.plan.blends,
      cfgFactor: sampler.cfgFactor ?? 1,
      totalCalls: laidOut.plan.totalCalls,
    },
  )
  return { recipe, guided: async (x: Tensor, level: number) => (await guided(x, level)).guided }
}

function drawsOf(recipe: Recipe, batch: number, shape: readonly number[]): () => Tensor {
  return noiseOf(recipe, batchesOf(recipe)[batch]!.images, shape as [number, number, number])
}

function asRow({ shape, data }: Tensor): Tensor {
  return { shape: [1, ...shape], data }
}

function withoutBatch(batch: Tensor, row: number): Tensor {
  const { shape, data } = rows(batch, row, row + 1)
  return { shape: shape.slice(1), data }
}
