import { expect, test } from 'vitest'
import { filesOf, type MadePicture } from './task.ts'

const old: MadePicture = {
  ...{ index: 0, width: 8, height: 8, seed: 1, infotext: '', file: '0.png' },
  firstPassFile: undefined,
  savedPath: undefined,
}

test('the files of a picture are its own, that of its first pass, and those beside it', () => {
  expect(filesOf(old)).toEqual(['0.png'])
  const byProducts = [{ kind: 'mask', file: '0-mask.png' }] as const
  expect(filesOf({ ...old, firstPassFile: '0-first.png', byProducts })).toEqual(['0.png', '0-first.png', '0-mask.png'])
})
