import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { decodePicture } from '../../image/decode.ts'
import { encodePng } from '../../image/encode.ts'
import { filled, picture, type Rgb8 } from '../../image/picture.ts'
import { mirrored } from '../framing.ts'
import { openSet } from '../pictureSet.ts'
import {
  autoSize,
  cropBox,
  cropCenter,
  cropFaces,
  cropFocal,
  splitOversized,
  usualAutoSize,
  usualFaceCrop,
} from './cropPicture.ts'
import { cropSet } from './cropSet.ts'
import { focalPoint, usualWeights } from './focalPoint.ts'
import { cropOverlay } from './overlay.ts'

/** Grey, with a white square of 16 pixels whose left top corner is at (left, top). */
function withSquare(width: number, height: number, left: number, top: number): Rgb8 {
  const result = filled(3, width, height, [90, 90, 90])
  for (let y = top; y < top + 16; y++) result.data.fill(255, (y * width + left) * 3, (y * width + left + 16) * 3)
  return result
}

/** Where each pixel came from: red is x, green is y. */
function places(width: number, height: number): Rgb8 {
  const result = picture(3, width, height)
  for (let i = 0; i < width * height; i++) result.data.set([i % width, Math.floor(i / width), 0], i * 3)
  return result
}

test('corners draw the focus to their middle, and each kind counts by its weight', () => {
  const source = withSquare(128, 64, 96, 24)
  const edges = focalPoint(source, { width: 64, height: 64 }, { faces: 0, entropy: 0, edges: 1 })
  expect(edges.focus.x).toBeCloseTo(103.5, 0)
  expect(edges.focus.y).toBeCloseTo(31.5, 0)
  // The first window that holds the whole square ends at 112.
  const entropy = focalPoint(source, { width: 64, height: 64 }, { faces: 0, entropy: 1, edges: 0 })
  expect(entropy.focus).toEqual({ x: 80, y: 32 })
  const face = { left: 10, top: 10, right: 30, bottom: 30, score: 0.9 }
  const all = focalPoint(source, { width: 64, height: 64 }, usualWeights, [face])
  const expected = (0.9 * 20 + 0.5 * edges.focus.x + 0.15 * 80) / (0.9 + 0.5 + 0.15)
  expect(all.focus.x).toBeCloseTo(expected, 9)
})

test('a picture without anything to see is cut in the middle', () => {
  const flat = filled(3, 96, 64, [7, 7, 7])
  expect(focalPoint(flat, { width: 64, height: 64 }, { faces: 1, entropy: 0, edges: 1 }).focus).toEqual({
    x: 48,
    y: 32,
  })
})

test('the window stays inside the picture and keeps what matters', () => {
  const { window, picture: piece } = cropFocal(withSquare(128, 64, 110, 24), [64, 64], usualWeights)
  expect(window).toEqual({ left: 64, top: 0, right: 128, bottom: 64 })
  expect(piece.data.filter((value) => value === 255)).toHaveLength(16 * 16 * 3)
  const center = cropCenter(places(100, 60), [60, 60])
  expect(center.window).toEqual({ left: 20, top: 0, right: 80, bottom: 60 })
  expect([...center.picture.data.subarray(0, 2)]).toEqual([20, 0])
})

test('every face that is large and sure enough gets a piece of which it is the wanted share', () => {
  const face = (left: number, top: number, side: number, score = 0.9) => ({
    ...{ left, top, right: left + side, bottom: top + side, score },
  })
  const options = { ...usualFaceCrop, share: 0.5, leastSide: 20 }
  const windows = (faces: readonly ReturnType<typeof face>[], size: readonly [number, number] = [64, 64]) =>
    cropFaces(places(200, 120), size, faces, options).map(({ window, picture: { width, height } }) => {
      expect([width, height]).toEqual(size)
      return [window.left, window.top, window.right, window.bottom]
    })
  expect(windows([face(90, 40, 20), face(10, 10, 19), face(10, 10, 40, 0.4)])).toEqual([[80, 30, 120, 70]])
  expect(windows([face(0, 100, 20), face(90, 40, 20)], [64, 32])).toEqual([
    [0, 80, 80, 120],
    [60, 30, 140, 70],
  ])
  // As much as there is of a picture that has less around the face.
  expect(windows([face(50, 10, 100)])).toEqual([[40, 0, 160, 120]])
})

test('a box is cut exactly, and one that sticks out is refused', () => {
  const { picture: piece } = cropBox(places(50, 40), { left: 5, top: 7, right: 15, bottom: 17 })
  expect([...piece.data.subarray(0, 2), ...piece.data.slice(-3, -1)]).toEqual([5, 7, 14, 16])
  expect(() => cropBox(places(50, 40), { left: 5, top: 7, right: 51, bottom: 17 })).toThrow('does not lie in')
})

test('a long picture is divided into the fewest pieces that overlap enough, from end to end', () => {
  const cuts = splitOversized(places(64, 200), [64, 64], { threshold: 0.5, overlap: 0.2 })
  // n pieces of 64 that share at least 12.8 cover 64 + (n − 1)·51.2.
  expect(cuts).toHaveLength(Math.ceil((200 - 12.8) / 51.2))
  expect(cuts.map(({ window }) => window.top)).toEqual([0, 45, 91, 136])
  expect(cuts[3]!.window.bottom).toBe(200)
  const wide = splitOversized(places(200, 64), [64, 64], { threshold: 0.5, overlap: 0.2 })
  expect(wide.map(({ window }) => window.left)).toEqual([0, 45, 91, 136])
  expect(splitOversized(places(80, 64), [64, 64], { threshold: 0.5, overlap: 0.2 })).toHaveLength(1)
})

test('a sliver that would become endless is refused', () => {
  expect(() => cropCenter(filled(3, 20000, 1, [0, 0, 0]), [512, 512])).toThrow('too narrow')
})

test('the size of a picture’s own shape has the largest area allowed, or the least error', () => {
  // Of shapes within 10 % of 3:2 up to 640²: 768×512 is exact and 393,216 pixels.
  expect(autoSize(picture(3, 300, 200), usualAutoSize)).toEqual([768, 512])
  expect(autoSize(picture(3, 100, 100), { ...usualAutoSize, objective: 'error' })).toEqual([640, 640])
  expect(autoSize(picture(3, 1000, 100), usualAutoSize)).toBeUndefined()
})

test('a mirrored picture mirrored is itself', () => {
  const source = places(5, 3)
  expect([...mirrored(source).data.subarray(0, 3)]).toEqual([4, 0, 0])
  expect(mirrored(mirrored(source))).toEqual(source)
})

test('the overlay shows the window and the focus and leaves the rest', () => {
  const cut = cropFocal(withSquare(128, 64, 96, 24), [64, 64], usualWeights)
  const overlay = cropOverlay(cut)
  const at = (x: number, y: number) => [...overlay.data.subarray((y * 128 + x) * 3, (y * 128 + x) * 3 + 3)]
  expect(at(cut.window.left, 5)).toEqual([255, 255, 255])
  expect(at(Math.round(cut.focal!.focus.x), Math.round(cut.focal!.focus.y))).toEqual([0, 220, 0])
  expect(at(2, 60)).toEqual([90, 90, 90])
})

const root = mkdtempSync(join(tmpdir(), 'athanor-crop-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

test('a set is cut with its captions, its flips and what cannot be cut told', async () => {
  mkdirSync(join(root, '2_x'))
  writeFileSync(join(root, '2_x', 'a.png'), await encodePng(withSquare(128, 64, 96, 24)))
  writeFileSync(join(root, '2_x', 'a.txt'), 'a square')
  writeFileSync(join(root, '2_x', 'b.png'), 'broken')
  const out = join(root, 'cut')
  const mode = { kind: 'focal', size: [32, 32], weights: usualWeights } as const
  const { written, failed } = await cropSet(openSet(root), { out, mode, hasFlips: true, hasOverlays: true })
  expect(written).toHaveLength(2)
  expect(failed).toMatchObject([{ name: '2_x/b.png' }])
  expect(readdirSync(join(out, '2_x')).sort()).toEqual(['a-flipped.png', 'a-flipped.txt', 'a.png', 'a.txt'])
  expect(readFileSync(join(out, '2_x', 'a-flipped.txt'), 'utf8')).toBe('a square')
  expect(await decodePicture(join(out, '2_x', 'a.png'))).toMatchObject({ width: 32, height: 32 })
  expect(readdirSync(join(out, 'overlays', '2_x'))).toEqual(['a.png'])
  const again = await cropSet(openSet(root), { out, mode, hasFlips: false, hasOverlays: false })
  expect(again.failed[0]!.problem).toContain('is there already')
})
