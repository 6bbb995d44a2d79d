import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { numbers } from '../../test/models/numbered.ts'
import { grad } from '../graph/grad.ts'
import { gemm, mul, reduceMean, reshape, sub, tanh } from '../graph/ops.ts'
import { simplify } from '../graph/simplify.ts'
import { Graph } from '../graph/value.ts'
import { compile } from '../runtime/compile.ts'
import type { Session } from '../runtime/session.ts'
import { type Tensor, tensor } from '../tensor/tensor.ts'
import { newTraining, resumeTraining, saveTraining } from './checkpoint.ts'
import { adamw } from './optimizers/adamw.ts'
import type { MakeOptimizer } from './optimizers/optimizer.ts'
import { sgdNesterov } from './optimizers/sgdNesterov.ts'
import { type Task, type TrainedStep, type TrainingOptions, type TrainingState, train } from './trainer.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-train-'))
const options: TrainingOptions = {
  accumulation: 1,
  learningRate: 0.05,
  schedule: () => 1,
  maxGradientNorm: 1e9,
  averageDecay: 0.9,
}

/** A perceptron of one layer that learns the tanh of a line: x [B, 3] → [B, 2]. */
function perceptron(): Graph {
  const graph = new Graph()
  const [x, y] = [graph.input('x', [4, 3]), graph.input('y', [4, 2])]
  const weight = graph.input('layer.weight', [2, 3])
  const bias = graph.input('layer.bias', [2])
  const error = sub(tanh(gemm(x, weight, bias)), y)
  const loss = reshape(reduceMean(mul(error, error), [0, 1]), [])
  graph.output('loss', loss)
  graph.output('bias', reshape(reduceMean(bias, [0]), []))
  const [dWeight, dBias] = grad(loss, [weight, bias])
  graph.output('d layer.weight', dWeight!)
  graph.output('d layer.bias', dBias!)
  return simplify(graph)
}

let session: Session
beforeAll(async () => {
  session = await compile(perceptron(), { residence: 'mapped', threads: 1 })
})
afterAll(async () => {
  await session.dispose()
  rmSync(folder, { recursive: true })
})

const task = () => ({
  sessions: [session],
  samples: 4,
  batch(step: number, part: number) {
    const x = numbers(`${step}.${part}`, [4, 3])
    const y = Float32Array.from({ length: 8 }, (_, i) => Math.tanh(x.data[3 * (i >> 1) + (i & 1)]! - 0.3))
    return { x, y: tensor(y, [4, 2]) }
  },
})

const begin = (make: MakeOptimizer<object> = adamw): TrainingState =>
  newTraining(
    new Map([
      ['layer.weight', numbers('layer.weight', [2, 3])],
      ['layer.bias', numbers('layer.bias', [2])],
    ]),
    make,
  )

async function run(state: TrainingState, until: number, more: Partial<TrainingOptions> = {}, from: Task = task()) {
  const steps: TrainedStep[] = []
  for await (const step of train(from, state, until, { ...options, ...more })) steps.push(step)
  return steps
}

const flat = (tensors: ReadonlyMap<string, Tensor>) => [...tensors.values()].flatMap(({ data }) => [...data])

test('a run learns, and reports every step', async () => {
  const steps = await run(begin(), 60)
  expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
  expect(steps.at(-1)!.loss).toBeLessThan(0.2 * steps[0]!.loss)
  expect(steps[0]).toMatchObject({ samples: 4, learningRate: 0.05, metrics: { bias: expect.any(Number) } })
})

test('interrupted and resumed is bit for bit the run that was not', async () => {
  const whole = begin()
  const wholeSteps = await run(whole, 12, { accumulation: 2 })

  const path = join(folder, 'checkpoint.safetensors')
  const first = begin()
  const firstSteps = await run(first, 5, { accumulation: 2 })
  saveTraining(path, first, 'a')
  const second = begin()
  second.parameters.get('layer.bias')!.data.fill(9)
  resumeTraining(path, second, 'a')
  const secondSteps = await run(second, 12, { accumulation: 2 })

  expect([...firstSteps, ...secondSteps]).toEqual(wholeSteps)
  expect(flat(second.parameters)).toEqual(flat(whole.parameters))
  expect(flat(second.averages)).toEqual(flat(whole.averages))
  expect(flat(second.averages)).not.toEqual(flat(second.parameters))
})

test('a checkpoint of another run is refused', () => {
  const path = join(folder, 'other.safetensors')
  saveTraining(path, begin(), 'a')
  expect(() => resumeTraining(path, begin(), 'b')).toThrow('belongs to a run with the configuration a, expected b')
  expect(() => resumeTraining(path, begin(sgdNesterov), 'a')).toThrow('optimizer.velocity.0 is missing, expected [6]')
})

test('parts of a batch count as one batch of their mean', async () => {
  const state = begin(sgdNesterov)
  const [step] = await run(state, 1, { accumulation: 2 })
  const parts = await Promise.all(
    [0, 1].map(async (part) =>
      session.run({ ...(await task().batch(0, part)), ...Object.fromEntries(begin().parameters) }),
    ),
  )
  const mean = (name: string, i: number) => (parts[0]![name]!.data[i]! + parts[1]![name]!.data[i]!) / 2
  expect(step!.loss).toBeCloseTo(mean('loss', 0), 6)
  expect(step!.samples).toBe(8)
  const moved = begin().parameters.get('layer.bias')!.data[1]! - state.parameters.get('layer.bias')!.data[1]!
  // The first step of Nesterov's momentum is 1.9 times the gradient.
  expect(moved).toBeCloseTo(0.05 * 1.9 * mean('d layer.bias', 1), 6)
})

test('a long gradient is shortened over all parameters together', async () => {
  const [free, short] = [begin(sgdNesterov), begin(sgdNesterov)]
  const [step] = await run(free, 1)
  const limit = step!.gradientNorm / 4
  const [same] = await run(short, 1, { maxGradientNorm: limit })
  expect(same!.gradientNorm).toBe(step!.gradientNorm)
  const start = flat(begin().parameters)
  const moves = (state: TrainingState) => flat(state.parameters).map((x, i) => x - start[i]!)
  for (const [i, move] of moves(short).entries()) expect(move).toBeCloseTo(moves(free)[i]! / 4, 6)
})

test('limits may change with the steps, and bound each number of a gradient', async () => {
  const [free, short, bounded] = [begin(sgdNesterov), begin(sgdNesterov), begin(sgdNesterov)]
  const [step] = await run(free, 1)
  const start = flat(begin().parameters)
  const moves = (state: TrainingState) => flat(state.parameters).map((x, i) => x - start[i]!)
  await run(short, 1, { maxGradientNorm: (done) => (done === 0 ? step!.gradientNorm / 4 : 1e-9) })
  for (const [i, move] of moves(short).entries()) expect(move).toBeCloseTo(moves(free)[i]! / 4, 6)

  // Of a first step, a move is in proportion to its number of the gradient.
  const perNumber = Math.hypot(...moves(free)) / step!.gradientNorm
  const longest = Math.max(...moves(free).map(Math.abs))
  const limit = longest / 2 / perNumber
  await run(bounded, 1, { maxGradientValue: (done) => (done === 0 ? limit : 1e-9) })
  for (const [i, move] of moves(bounded).entries()) {
    expect(move).toBeCloseTo(Math.max(-longest / 2, Math.min(longest / 2, moves(free)[i]!)), 6)
  }
  expect(moves(bounded)).not.toEqual(moves(free))
})

test('averages lag behind the parameters by the decay, which grows with the steps', async () => {
  const state = begin()
  const start = flat(state.parameters)
  await run(state, 1)
  const expected = flat(state.parameters).map((x, i) => 0.1 * start[i]! + 0.9 * x)
  for (const [i, x] of flat(state.averages).entries()) expect(x).toBeCloseTo(expected[i]!, 6)
})

test('parameters may have rates of their own, and parts of batches may be fewer', async () => {
  const state = begin(sgdNesterov)
  const start = flat(begin().parameters)
  const [step] = await run(state, 1, {
    accumulation: (step) => step + 3,
    rateFactor: (name) => (name === 'layer.bias' ? 0 : 1),
  })
  expect(step!.samples).toBe(12)
  const moved = flat(state.parameters).map((x, i) => x !== start[i]!)
  expect(moved).toEqual([...Array(6).fill(true), false, false])
})

test('a loss that is no number stops the run with its step, and changes nothing', async () => {
  const broken: Task = {
    ...task(),
    batch: (step, part) =>
      step === 3
        ? { ...task().batch(step, part), y: tensor([...Array(7).fill(0), Number.NaN], [4, 2]) }
        : task().batch(step, part),
  }
  const [state, healthy] = [begin(), begin()]
  await expect(run(state, 12, {}, broken)).rejects.toThrow('step 4: the loss is NaN')
  const named = { ...broken, blame: (step: number) => ` at picture ${step}` }
  await expect(run(begin(), 12, {}, named)).rejects.toThrow('step 4: the loss is NaN at picture 3;')
  await run(healthy, 3)
  expect(flat(state.parameters)).toEqual(flat(healthy.parameters))
  expect(state.step).toBe(3)
})
