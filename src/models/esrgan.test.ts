import { describe, expect, test } from 'vitest'
import { numbers } from '../../test/models/numbered.ts'
import { numberedFile } from '../../test/models/numberedFile.ts'
import { relativeError, runOnce } from '../../test/models/runOnce.ts'
import { openWeights } from '../files/openWeights.ts'
import { readWeight } from '../files/readWeight.ts'
import { detectUpscaler, upscalerGraph } from './esrgan.ts'

// Recorded by scripts/goldens/upscalers.py from spandrel.
const golden = openWeights(new URL('goldens/upscalers.safetensors', import.meta.url).pathname)
interface Case {
  readonly input: readonly number[]
  readonly weights: Readonly<Record<string, readonly number[]>>
  readonly scale?: number
}
const cases = Object.entries(JSON.parse(golden.metadata.get('cases')!) as Record<string, Case>)
const expected = (name: string) => readWeight(golden.entries.get(name)!)
const fileOf = (name: string, shapes: Case['weights']) => numberedFile(`${name}.pth`, shapes)

describe('an upscaler of the ESRGAN family enlarges as spandrel does', () => {
  const upscalers = cases.filter(([, { scale }]) => scale !== undefined)

  test.each(upscalers)('%s', async (name, { input, weights, scale }) => {
    const upscaler = detectUpscaler(fileOf(name, weights))
    expect(upscaler.scale).toBe(scale)
    const enlarged = await runOnce(upscalerGraph(upscaler), { picture: numbers(`${name} input`, input) })
    expect(relativeError(enlarged, expected(name))).toBeLessThan(1e-5)
  })

  test('a file of another kind is refused', () => {
    const [, { weights }] = upscalers[0]!
    const { 'model.10.weight': _, ...headless } = weights
    for (const shapes of [
      { 'conv_first.weight': [8, 3, 3, 3] },
      headless,
      { 'body.0.weight': [8, 3, 3, 3], 'body.1.weight': [8] },
    ]) {
      expect(() => detectUpscaler(fileOf('other', shapes))).toThrow(expect.objectContaining({ code: 'unsupported' }))
    }
    const torn = { ...weights, 'model.1.sub.1.RDB2.conv3.0.weight': [32, 7, 3, 3] }
    expect(() => upscalerGraph(detectUpscaler(fileOf('torn', torn)))).toThrow(
      /model\.1\.sub\.1\.RDB2\.conv3\.0\.weight: is/,
    )
  })
})
