import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodePicture } from '../../image/decode.ts'
import { encodePng } from '../../image/encode.ts'
import { picture, type Rgb8 } from '../../image/picture.ts'
import { drawsFor } from '../draws.ts'
import { readExclusions, writeExclusions } from '../exclusions.ts'
import { importSet } from '../importSet.ts'
import { openSet } from '../pictureSet.ts'
import { captionedPictures } from '../trainingFolder.ts'
import { reportPage } from './html.ts'
import { type PictureReport, type ReportOptions, reportOn, type SetReport } from './report.ts'

const root = mkdtempSync(join(tmpdir(), 'athanor-set-'))
const subset = join(root, '3_cat')
const options: ReportOptions = {
  target: [64, 64],
  batch: 4,
  trigger: 'mycat',
  tokens: (text) => text.split(' ').length,
  judges: {},
}

/** Coarse noise of its own seed: sharp, bright enough, unlike any other. */
function drawn(seed: number, width = 160, height = 144): Rgb8 {
  const draws = drawsFor(seed)
  const tiles = Array.from({ length: 400 }, () => draws.below(150) + 60)
  const result = picture(3, width, height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const level = tiles[(Math.floor(y / 12) % 20) * 20 + (Math.floor(x / 12) % 20)]!
      result.data.fill(level, (y * width + x) * 3, (y * width + x + 1) * 3)
    }
  }
  return result
}

const put = async (name: string, source: Rgb8, caption?: string) => {
  writeFileSync(join(subset, `${name}.png`), await encodePng(source))
  if (caption !== undefined) writeFileSync(join(subset, `${name}.txt`), caption)
}

let report: SetReport
const of = (file: string): PictureReport => report.pictures.find(({ name }) => name === `3_cat/${file}`)!
const checks = (file: string) => of(file).verdicts.map(({ check }) => check)

beforeAll(async () => {
  mkdirSync(subset)
  mkdirSync(join(root, 'notes'))
  await put('a', drawn(1), 'mycat, sitting')
  copyFileSync(join(subset, 'a.png'), join(subset, 'a copy.png'))
  await put('b', drawn(2), 'mycat， 走路')
  writeFileSync(
    join(subset, 'b small.jpg'),
    await sharp(join(subset, 'b.png')).resize(140, 126).jpeg({ quality: 90 }).toBuffer(),
  )
  await put('tiny', drawn(3, 40, 40), '')
  await put('one', drawn(4, 1, 1), 'mycat')
  writeFileSync(join(subset, 'blur.png'), await sharp(join(subset, 'a.png')).flop().blur(9).png().toBuffer())
  writeFileSync(join(subset, 'blur.txt'), Uint8Array.of(0xff, 0xfe, 0x00))
  writeFileSync(
    join(subset, 'turned.jpg'),
    await sharp({ create: { width: 200, height: 100, channels: 3, background: '#0c0c0c' } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer(),
  )
  await put('cut', drawn(5))
  truncateSync(join(subset, 'cut.png'), 900)
  writeFileSync(join(subset, 'empty.png'), '')
  writeFileSync(join(subset, 'words.png'), 'not a picture')
  writeFileSync(join(subset, 'a.webp'), await sharp(join(subset, 'a.png')).webp().toBuffer())
  symlinkSync('/etc/hostname', join(subset, 'link.png'))
  symlinkSync('a.png', join(subset, 'inner.png'))
  report = await reportOn(openSet(root), options)
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

test('what cannot be taken is told with its reason, and nothing is passed over in silence', () => {
  const problems = new Map(report.problems.map(({ name, problem }) => [name, problem]))
  expect(problems.get('3_cat/link.png')).toMatch(/link that leads out/)
  expect(problems.get('3_cat/empty.png')).toBe('an empty file')
  expect(problems.get('3_cat/a.webp')).toBe('shares its caption with a.png')
  for (const file of ['cut.png', 'words.png']) {
    expect(of(file)).toMatchObject({ grade: 'fail', measures: undefined })
    expect(of(file).verdicts[0]!.message).toContain(`3_cat/${file}`)
  }
  expect(readdirSync(subset).filter((name) => /\.(png|jpg|webp)$/.test(name))).toHaveLength(
    report.pictures.length + report.problems.length,
  )
})

test('copies are grouped: the same bytes, and what looks the same', () => {
  const exact = report.copies.find(({ kind }) => kind === 'exact')!
  expect(new Set(exact.names)).toEqual(new Set(['3_cat/a copy.png', '3_cat/a.png', '3_cat/inner.png']))
  const near = report.copies.find(({ kind }) => kind === 'near')!
  expect(new Set(near.names)).toEqual(new Set(['3_cat/b small.jpg', '3_cat/b.png']))
  expect(report.set.find(({ check }) => check === 'copies')).toMatchObject({ value: 3, grade: 'warn' })
})

test('each verdict has its number and the limit beside it', () => {
  const resolution = of('tiny.png').verdicts.find(({ check }) => check === 'resolution')!
  expect(resolution).toMatchObject({ grade: 'fail', value: 0.625, threshold: 'short side ≥ 2 × 64' })
  const blur = of('blur.png').verdicts.find(({ check }) => check === 'blur')!
  expect(blur.grade).toBe('fail')
  expect(blur.value).toBe(Math.round(of('blur.png').measures!.sharpness * 1000) / 1000)
  expect(of('blur.png').measures!.sharpness).toBeLessThan(100)
  expect(of('a.png').measures!.sharpness).toBeGreaterThan(200)
  expect(checks('turned.jpg')).toEqual(expect.arrayContaining(['orientation', 'dark', 'information', 'blur']))
  expect(of('turned.jpg').measures).toMatchObject({ width: 100, height: 200 })
  expect(report.set.find(({ check }) => check === 'count')!.grade).toBe('fail')
})

test('captions: missing, empty, not UTF-8, wide commas, no trigger', () => {
  const said = (file: string) => of(file).verdicts.filter(({ check }) => check === 'caption')
  expect(said('a.png')).toEqual([])
  expect(said('a copy.png')[0]).toMatchObject({ value: 'missing', grade: 'info' })
  expect(said('tiny.png')[0]).toMatchObject({ value: 'empty', grade: 'warn' })
  expect(said('blur.png')[0]).toMatchObject({ value: 'not UTF-8 text', grade: 'fail' })
  expect(said('b.png').map(({ value }) => value)).toEqual(['，'])
})

test('one weak sign leaves nothing out, a failure does, and the list can be taken back', () => {
  expect(of('a copy.png').advice).toBeUndefined()
  expect(of('a.png').advice).toContain('the same file as 3_cat/a copy.png')
  expect(of('b.png').verdicts.some(({ grade }) => grade === 'warn')).toBe(true)
  writeExclusions(root, new Map([['3_cat/tiny.png', of('tiny.png').advice!]]))
  const set = openSet(root)
  expect(set.excluded.get('3_cat/tiny.png')).toContain('resolution 0.625')
  expect(existsSync(join(subset, 'tiny.png'))).toBe(true)
  rmSync(join(subset, 'blur.txt'))
  const trained = () => captionedPictures(subset, undefined).map(({ path }) => basename(path))
  expect(trained()).not.toContain('tiny.png')
  expect(trained()).toContain('b.png')
  writeExclusions(root, new Map())
  expect(openSet(root).excluded.size).toBe(0)
  expect(trained()).toContain('tiny.png')
  writeFileSync(join(root, 'excluded-pictures.json'), '{"excluded": {"../../x.png": "y"}}')
  expect(() => readExclusions(root)).toThrow('lies outside the folder')
  rmSync(join(root, 'excluded-pictures.json'))
})

test('the page holds its pictures and harms nobody by a caption', async () => {
  const hostile = { ...of('a.png'), caption: '<script>alert(1)</script>' }
  const page = reportPage({ ...report, pictures: [hostile] })
  expect(page).toContain('data:image/jpeg;base64,')
  expect(page).not.toContain('<script>')
  expect(page).not.toMatch(/(?:src|href)="(?!data:)/)
})

test('judges that look at pictures add faces, words and likeness', async () => {
  const face = { left: 10, top: 10, right: 60, bottom: 70, score: 0.9 }
  const unit = (angle: number) => Float32Array.of(Math.cos(angle), Math.sin(angle))
  let seen = 0
  const judged = await reportOn(openSet(root), {
    ...options,
    judges: {
      findFaces: async ({ width }) => (width === 160 ? [face] : []),
      tag: async () => [{ tag: 'mouth_mask', score: 0.8 }],
      embed: async () => unit(0.4 * seen++),
    },
  })
  const one = judged.pictures.find(({ name }) => name === '3_cat/a.png')!
  expect(one.verdicts.find(({ check }) => check === 'face size')).toMatchObject({ grade: 'fail', value: 50 })
  expect(one.verdicts.find(({ check }) => check === 'occlusion')).toMatchObject({ value: 0.8, message: 'mouth mask' })
  expect(judged.pictures.find(({ name }) => name === '3_cat/tiny.png')!.verdicts).toContainEqual(
    expect.objectContaining({ check: 'faces', value: 0 }),
  )
  // The mean cosine of all pairs of angles 0.4·k, in closed form.
  const angles = Array.from({ length: seen }, (_, k) => 0.4 * k)
  const pairs = angles.flatMap((a, i) => angles.slice(i + 1).map((b) => Math.cos(a - b)))
  const mean = pairs.reduce((sum, value) => sum + value, 0) / pairs.length
  expect(judged.set.find(({ check }) => check === 'diversity')!.value).toBeCloseTo(mean, 3)
  expect(judged.skipped).toEqual([])
  expect(report.skipped).toHaveLength(3)
})

test('a set of too many pictures is refused by number, a leaf folder is a set of its own', () => {
  expect(() => openSet(root, { maxPictures: 3 })).toThrow('over 3 pictures')
  const leaf = openSet(subset)
  expect(leaf.folders).toMatchObject([{ repeats: 3, classTokens: 'cat' }])
  expect(leaf.pictures.map(({ name }) => name)).toContain('a.png')
})

test('an imported set is upright and whole, and holds pairs', async () => {
  const out = join(root, 'imported')
  const done = await importSet(openSet(subset), { out, repeats: 5, name: 'kitty' })
  expect(done.failed.map(({ name }) => name)).toEqual(['cut.png', 'words.png'])
  expect(done.rewritten).toEqual(['turned.jpg'])
  const files = readdirSync(join(out, '5_kitty'))
  expect(files).toEqual(expect.arrayContaining(['a.png', 'a.txt', 'turned.png']))
  expect(await decodePicture(join(out, '5_kitty', 'turned.png'))).toMatchObject({ width: 100, height: 200 })
  expect(readFileSync(join(out, '5_kitty', 'a.png'))).toEqual(readFileSync(join(subset, 'a.png')))
  await expect(importSet(openSet(subset), { out, repeats: 5, name: 'kitty' })).resolves.toMatchObject({ pictures: 0 })
})
