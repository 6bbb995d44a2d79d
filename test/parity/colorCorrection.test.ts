import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { toRgb } from '../../src/image/channels.ts'
import { matchColors } from '../../src/image/colorCorrection.ts'
import { decodePicture } from '../../src/image/decode.ts'
import { golden } from './recorded.ts'

// The two recorded requests differ in the option alone.
test('the reference’s plain picture comes to its colour-corrected one, byte for byte', async () => {
  const read = async (file: string) => toRgb(await decodePicture(readFileSync(join(golden, file))))
  const plain = await read('images/img2img__s_euler_a.0.png')
  const corrected = await read('images/img2img__color_correction.0.png')
  expect(matchColors(plain, await read('inputs/init128.png'))).toEqual(corrected)
})
