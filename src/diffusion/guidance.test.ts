import { expect, test } from 'vitest'
import { rows, type Tensor, tensor } from '../tensor/tensor.ts'
import { alphasCumprod } from './betas.ts'
import { variancePreserving } from './denoiser.ts'
import { type Conditioned, type GuidanceOptions, guide, type PredictRow } from './guidance.ts'
import { noiseLevels } from './noiseLevels.ts'

const levels = noiseLevels(alphasCumprod({ start: 0.00085, end: 0.012, timesteps: 1000 }))
const plain: GuidanceOptions = {
  cfgScale: 7,
  minSigmaUncond: 0,
  minSigmaUncondAlways: false,
  skipEarlyCond: 0,
  batched: true,
  blend: undefined,
}
const sampling = { parameterization: variancePreserving, blends: 'input', cfgFactor: 1, totalCalls: 10 } as const

/** A text of `tokens` tokens that says one number. */
const text = (says: number, tokens = 77): Tensor => tensor(Array<number>(tokens).fill(says), [tokens, 1])

interface Call {
  readonly x: readonly number[]
  readonly timestep: number
  readonly rows: readonly PredictRow[]
}

/** A model that answers x plus what the text says, and remembers what it was asked. */
function listening(parts: { cond: Conditioned['cond']; uncond: readonly Tensor[] }) {
  const calls: Call[] = []
  const predict = async (x: Tensor, timestep: number, asked: readonly PredictRow[]): Promise<Tensor> => {
    calls.push({ x: [...x.data], timestep, rows: asked })
    return { shape: x.shape, data: x.data.map((value, row) => value + asked[row]!.context.data[0]!) }
  }
  return { calls, source: () => ({ model: { predict, prediction: 'epsilon', levels } as const, ...parts }) }
}

const two = {
  cond: [[{ context: text(1), weight: 1 }], [{ context: text(2), weight: 1 }]],
  uncond: [text(0.1), text(0.2)],
}
const x = tensor([10, 20], [2, 1, 1, 1])

test('prompts of all images come first, then their negative prompts, in one call', async () => {
  const { calls, source } = listening(two)
  const { guided, uncond } = await guide(source, plain, sampling)(x, 500)
  expect(calls.length).toBe(1)
  expect(calls[0]!.x).toEqual([10, 20, 10, 20])
  expect(calls[0]!.rows.map(({ image }) => image)).toEqual([0, 1, 0, 1])
  expect(calls[0]!.timestep).toBe(500)
  expect(guided.data[0]).toBeCloseTo(10 + 0.1 + 7 * 0.9, 5)
  expect(guided.data[1]).toBeCloseTo(20 + 0.2 + 7 * 1.8, 5)
  expect(uncond.data[1]).toBeCloseTo(20.2, 5)
})

test('unbatched, or with texts of different lengths, the negative prompts have a call of their own', async () => {
  for (const { parts, options } of [
    { parts: two, options: { ...plain, batched: false } },
    { parts: { ...two, uncond: [text(0.1, 154), text(0.2, 154)] }, options: plain },
  ]) {
    const { calls, source } = listening(parts)
    const { guided } = await guide(source, options, sampling)(x, 500)
    expect(calls.map(({ rows }) => rows.length)).toEqual([2, 2])
    expect(guided.data[1]).toBeCloseTo(20 + 0.2 + 7 * 1.8, 5)
  }
})

test('prompts of a call are made equally long by repeating the last token', async () => {
  const long = tensor([3, 4, 5], [3, 1])
  const short = tensor([6, 7], [2, 1])
  const { calls, source } = listening({
    cond: [[{ context: long, weight: 1 }], [{ context: short, weight: 1 }]],
    uncond: [text(0), text(0)],
  })
  await guide(source, plain, sampling)(x, 500)
  expect([...calls[0]!.rows[1]!.context.data]).toEqual([6, 7, 7])
})

test('parts joined by AND add up by their weights', async () => {
  const parts = [
    { context: text(1), weight: 1.2 },
    { context: text(3), weight: -0.5 },
  ]
  const { calls, source } = listening({ cond: [parts], uncond: [text(0.1)] })
  const { guided } = await guide(source, plain, sampling)(rows(x, 0, 1), 500)
  expect(calls[0]!.rows.length).toBe(3)
  expect(guided.data[0]).toBeCloseTo(10 + 0.1 + 7 * (1.2 * 0.9 - 0.5 * 2.9), 4)
})

test('at scale 1 the negative prompt is still asked for', async () => {
  const { calls, source } = listening(two)
  await guide(source, { ...plain, cfgScale: 1 }, sampling)(x, 500)
  expect(calls[0]!.rows.length).toBe(4)
})

test('below the minimum sigma every other call leaves the negative prompt out, or every one', async () => {
  for (const [always, expected] of [
    [false, [4, 4, 4, 2, 4, 2]],
    [true, [4, 4, 2, 2, 2, 2]],
  ] as const) {
    const { calls, source } = listening(two)
    const model = guide(source, { ...plain, minSigmaUncond: 3, minSigmaUncondAlways: always }, sampling)
    let guided: Tensor | undefined
    for (const level of [5, 4, 2.9, 2, 1, 0.5]) guided = (await model(x, level)).guided
    expect(calls.map(({ rows }) => rows.length)).toEqual(expected)
    expect([...guided!.data]).toEqual([11, 22])
  }
})

test('early calls may leave the negative prompt out', async () => {
  const { calls, source } = listening(two)
  const model = guide(source, { ...plain, skipEarlyCond: 0.2 }, sampling)
  for (let i = 0; i < 5; i++) await model(x, 500)
  expect(calls.map(({ rows }) => rows.length)).toEqual([2, 2, 2, 4, 4])
})

test('without the negative prompt, weighted parts are added to the first of them', async () => {
  const parts = [
    { context: text(1), weight: 0.5 },
    { context: text(3), weight: 2 },
  ]
  const { source } = listening({ cond: [parts], uncond: [text(0.1)] })
  const { guided } = await guide(source, { ...plain, skipEarlyCond: 1 }, sampling)(rows(x, 0, 1), 500)
  expect(guided.data[0]).toBeCloseTo(11 + 2 * 2, 5)
})

test('a picture’s kept part is put back before the model or after it', async () => {
  const blend = (latent: Tensor, level: number): Tensor => ({
    shape: latent.shape,
    data: latent.data.map((v) => v + level),
  })
  const before = listening(two)
  const early = await guide(before.source, { ...plain, blend }, sampling)(x, 100)
  expect(before.calls[0]!.x).toEqual([110, 120, 110, 120])
  const after = listening(two)
  const late = await guide(after.source, { ...plain, blend }, { ...sampling, blends: 'estimate' })(x, 100)
  expect(after.calls[0]!.x).toEqual([10, 20, 10, 20])
  expect(late.guided.data[0]).toBeCloseTo(early.guided.data[0]!, 4)
  expect(late.uncond.data[0]).toBeCloseTo(10.1, 4)
})

test('the model and the texts are asked for at each call, and may change', async () => {
  const first = listening(two)
  const second = listening({ cond: [two.cond[1]!, two.cond[0]!], uncond: two.uncond })
  const asked: [number, number][] = []
  const model = guide(
    async (call, level) => {
      asked.push([call, level])
      return call < 2 ? first.source() : second.source()
    },
    plain,
    sampling,
  )
  for (const level of [900, 600, 300]) await model(x, level)
  expect(asked).toEqual([
    [0, 900],
    [1, 600],
    [2, 300],
  ])
  expect([first.calls.length, second.calls.length]).toEqual([2, 1])
  expect(second.calls[0]!.rows[0]!.context.data[0]).toBe(2)
})
