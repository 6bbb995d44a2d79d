import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { LossMean } from './lossMean.ts'
import { networkEntries, outputNames, saveNetwork, saveState, staleEpoch, staleStep } from './saving.ts'

// A disk that takes so many bytes more; it cannot be had in a test otherwise.
const disk = vi.hoisted(() => ({ left: Number.POSITIVE_INFINITY }))
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>()
  return {
    ...real,
    writeSync: (file: number, bytes: Uint8Array, offset: number, length: number) => {
      if (length > disk.left) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
      disk.left -= length
      return real.writeSync(file, bytes, offset, length)
    },
  }
})

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../test/golden-training/vectors/${name}`, import.meta.url), 'utf8')) as unknown

test('files are named and give way to later ones as kohya’s do', () => {
  const recorded = read('names.json') as Record<'epoch' | 'step' | 'last', string> & {
    remove_epoch: Record<string, number | null>
    remove_step: Record<string, number | null>
  }
  const names = outputNames('x')
  expect([names.epoch(3), names.step(12), names.last].map((name) => `${name}.safetensors`)).toEqual([
    recorded.epoch,
    recorded.step,
    recorded.last,
  ])
  // Recorded with two epochs kept, and with the last six steps kept and every sixth saved; there never is an epoch or a step 0.
  for (const [epoch, stale] of Object.entries(recorded.remove_epoch)) {
    expect(staleEpoch(Number(epoch), 1, 2)).toBe(stale || undefined)
  }
  for (const [step, stale] of Object.entries(recorded.remove_step)) {
    expect(staleStep(Number(step), 6, 6), step).toBe(stale || undefined)
  }
  expect(outputNames(undefined).last).toBe('last')
})

test('the mean of losses is kohya’s', () => {
  const { rows } = read('loss_recorder.json') as { rows: readonly (readonly [number, number, number, number])[] }
  const mean = new LossMean()
  for (const [, step, loss, expected] of rows) {
    mean.add(step, loss)
    expect(mean.value).toBeCloseTo(expected, 9)
  }
})

test('a disk that is full at a save keeps the network and the state saved before, whole, and says so', () => {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-full-'))
  const network = (number: number) =>
    new Map([['layer.lora_up.weight', { shape: [256], data: new Float32Array(256).fill(number) }]])
  const save = (number: number) => saveNetwork(folder, 'foo', networkEntries([], network(number), 'float'), new Map())
  const state = (number: number) => {
    const parameters = network(number)
    const optimizer = { state: { tensors: [], numbers: {} }, step: () => {} }
    const position = { epoch: number, step: number, losses: [], best: undefined, validationsSinceBest: 0 }
    return saveState(
      folder,
      'foo',
      { step: number, parameters, averages: new Map(), optimizer: optimizer as never },
      position,
      'run',
    )
  }
  try {
    const files = [save(1), ...['state.safetensors', 'train_state.json'].map((name) => join(state(1), name))]
    const before = files.map((path) => readFileSync(path))
    const names = readdirSync(folder)
    for (const left of [0, 1000]) {
      disk.left = left
      expect(() => save(2)).toThrow(/foo\.safetensors cannot be written: no space is left on the disk/)
      disk.left = left
      expect(() => state(2)).toThrow('no space is left on the disk')
      expect(files.map((path) => readFileSync(path))).toEqual(before)
      expect(readdirSync(folder)).toEqual(names)
    }
  } finally {
    disk.left = Number.POSITIVE_INFINITY
    rmSync(folder, { recursive: true, force: true })
  }
})
