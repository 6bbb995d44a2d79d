import { expect, test } from 'vitest'
import { goldenStudio } from '../../../test/parity/goldenStudio.ts'
import type { Picture } from '../../image/picture.ts'
import { generate } from '../../pipeline/generate.ts'
import { recipeFromRequest } from '../../pipeline/wire/recipeFromRequest.ts'
import { runScript } from '../index.ts'

const studio = goldenStudio()
const small = { steps: 1, width: 64, height: 64, seed: 7, override_settings: { randn_source: 'CPU' } }

async function alone(prompt: string): Promise<Picture> {
  const recipe = await recipeFromRequest({ ...small, prompt }, 'txt2img', studio())
  for await (const event of generate(studio(), recipe)) if (event.kind === 'image') return event.image.picture
  throw new Error('no picture')
}

test('versions and strengths of a network as the guide plots them: the words themselves are the picture without it', async () => {
  const axisOf = (values: string) => [7, values, []]
  const body = {
    ...small,
    prompt: 'a red car <lora:tinyNUM:STRENGTH>',
    script_name: 'x/y/z plot',
    script_args: [...axisOf('NUM,lora'), ...axisOf('STRENGTH,0.5'), 0, '', [], false, true],
  }
  const running = runScript(studio(), { endpoint: 'txt2img', body, lenient: false, floats: [] })
  for (let next = await running.next(); ; next = await running.next()) {
    if (!next.done) continue
    const { pictures, notes } = next.value
    const [, ...cells] = pictures.map(({ picture }) => picture)
    const [plain, adapted] = [await alone('a red car '), await alone('a red car <lora:tinylora:0.5>')]
    expect(cells).toEqual([plain, plain, plain, adapted])
    expect(adapted).not.toEqual(plain)
    expect(notes.join('\n')).toContain('tinyNUM')
    return
  }
})

test('a network that is not there is an error where it is no placeholder', async () => {
  const body = {
    ...small,
    prompt: 'a red car <lora:tinyNUM:0.5>',
    script_name: 'x/y/z plot',
    script_args: [7, 'NUM,nothing', []],
  }
  const running = runScript(studio(), { endpoint: 'txt2img', body, lenient: false, floats: [] })
  await expect(running.next()).rejects.toMatchObject({ code: 'unknown-name', field: 'prompt' })
})
