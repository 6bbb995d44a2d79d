import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { toOnnx } from '../../graph/onnx.ts'
import { constant, matmul, reduceMean, reshape, sigmoid } from '../../graph/ops.ts'
import { Graph, type Value } from '../../graph/value.ts'
import { encodePng } from '../../image/encode.ts'
import { filled, picture } from '../../image/picture.ts'
import { openFaceDetector } from '../faces/yunet.ts'
import { openSet } from '../pictureSet.ts'
import { undoSave } from '../tags/captionFiles.ts'
import { openClip } from './clip.ts'
import { selectTags, usualSelection } from './selectTags.ts'
import { openTagger, preprocess, type Scored } from './tagger.ts'
import { tagSet } from './tagSet.ts'
import { openZeroShot } from './zeroShot.ts'

const root = mkdtempSync(join(tmpdir(), 'athanor-tagging-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

interface Recorded {
  readonly family: 'wd' | 'cl'
  readonly side: number
  readonly width: number
  readonly height: number
  readonly rgb: string
  readonly shape: readonly number[]
  readonly input: readonly number[]
}
const recorded = JSON.parse(
  readFileSync(new URL('./goldens/taggers.json', import.meta.url), 'utf8'),
) as readonly Recorded[]

test.each(recorded.map((each) => [each.family, each.width, each.height, each] as const))(
  'a %s tagger sees a picture of %i×%i as the reference prepares it',
  (family, width, height, { side, rgb, shape, input }) => {
    const source = picture(3, width, height, new Uint8Array(Buffer.from(rgb, 'base64')))
    const made = preprocess(source, family, side, { enlargesSmall: false })
    expect(made.shape).toEqual(shape)
    // OpenCV's means may round a tie the other way: one level of 255, seldom.
    const level = family === 'wd' ? 1 : 1e-4
    const errors = input.map((value, i) => Math.abs(value - made.data[i]!))
    expect(Math.max(...errors)).toBeLessThanOrEqual(level)
    expect(errors.filter((error) => error > 1e-4).length).toBeLessThan(errors.length / 50)
  },
)

function write(folder: string, name: string, outputs: (graph: Graph) => Record<string, Value>): string {
  const graph = new Graph()
  for (const [key, value] of Object.entries(outputs(graph))) graph.outputs.set(key, value)
  mkdirSync(join(root, folder), { recursive: true })
  const path = join(root, folder, name)
  writeFileSync(
    path,
    toOnnx(graph, () => {
      throw new Error('internal: no weights')
    }),
  )
  return path
}

/** A tagger of four words, whose logits are the means of the channels and their sum. */
function writeTagger(folder: string, shape: readonly number[], sigmoidal: boolean): string {
  return write(folder, 'model.onnx', (graph) => {
    const input = graph.input('input_1:0', shape)
    const axes = shape[1] === 3 ? [2, 3] : [1, 2]
    const means = reshape(reduceMean(input, axes), [1, 3])
    const weights = Float32Array.of(1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1).map(
      (w) => w / (sigmoidal && shape[1] !== 3 ? 100 : 1),
    )
    const logits = matmul(means, constant(graph, weights, [3, 4]))
    return { predictions: sigmoidal ? sigmoid(logits) : logits }
  })
}

const csv =
  'tag_id,name,category,count\n9999,general,9,1\n9998,explicit,9,1\n1,long_hair,0,5\n2,"miku_(vocaloid)",4,5\n'
const colour = filled(3, 8, 8, [40, 80, 120])
const sigma = (x: number) => 1 / (1 + Math.exp(-x))

test('WD14: blue first, 0 to 255, on white; words and categories come from the list', async () => {
  writeTagger('wd', [1, 8, 8, 3], true)
  writeFileSync(join(root, 'wd', 'selected_tags.csv'), csv)
  const tagger = await openTagger(join(root, 'wd'), { threads: 1, enlargesSmall: false })
  const scores = await tagger.score(colour)
  expect(scores.map(({ tag, category }) => [tag, category])).toEqual([
    ['general', 'rating'],
    ['explicit', 'rating'],
    ['long_hair', 'general'],
    ['miku_(vocaloid)', 'character'],
  ])
  const logits = [1.2, 0.8, 0.4, 2.4]
  for (const [i, logit] of logits.entries()) expect(scores[i]!.score).toBeCloseTo(sigma(logit), 5)
  // A picture of half the side lies on white: a quarter of the square has its colour.
  const [blue] = await tagger.score(filled(3, 4, 4, [40, 80, 120]))
  expect(blue!.score).toBeCloseTo(sigma((120 * 0.25 + 255 * 0.75) / 100), 5)
  await tagger.dispose()
})

test('DeepDanbooru: red first, 0 to 1; CL: channels first, −1 to 1, with logits', async () => {
  writeTagger('deep', [1, 8, 8, 3], false)
  writeFileSync(join(root, 'deep', 'tags.txt'), '1girl\nsolo\nsmile\nrating:safe\n')
  const deep = await openTagger(join(root, 'deep', 'model.onnx'), { threads: 1, enlargesSmall: false })
  const scores = await deep.score(colour)
  for (const [i, value] of [40, 80, 120, 240].entries()) expect(scores[i]!.score).toBeCloseTo(value / 255, 5)
  expect(scores[3]).toMatchObject({ tag: 'rating:safe', category: 'rating' })

  writeTagger('cl', [1, 3, 8, 8], false)
  const mapping = ['Rating', 'General', 'Artist', 'Meta'].map((category, i) => [i, { tag: `t${i}`, category }])
  writeFileSync(join(root, 'cl', 'tag_mapping.json'), JSON.stringify(Object.fromEntries(mapping)))
  const cl = await openTagger(join(root, 'cl'), { threads: 1, enlargesSmall: false })
  const [first, , last] = await cl.score(colour)
  expect(first!.score).toBeCloseTo(sigma((120 / 255 - 0.5) / 0.5), 5)
  expect(last).toMatchObject({ tag: 't2', category: 'artist' })
  expect(last!.score).toBeCloseTo(sigma((40 / 255 - 0.5) / 0.5), 5)
})

test('models and lists that do not fit are refused with the file and what was expected', async () => {
  const open = (path: string) => openTagger(path, { threads: 1, enlargesSmall: false })
  await expect(open(join(root, 'nowhere'))).rejects.toThrow('there is no such model')
  mkdirSync(join(root, 'bare'))
  await expect(open(join(root, 'bare'))).rejects.toThrow('expected one .onnx file')
  copyFileSync(join(root, 'wd', 'model.onnx'), join(root, 'bare', 'model.onnx'))
  await expect(open(join(root, 'bare'))).rejects.toThrow('selected_tags.csv')
  writeFileSync(join(root, 'bare', 'vocab.txt'), '[PAD]')
  await expect(open(join(root, 'bare'))).rejects.toThrow('BLIP')
  writeFileSync(join(root, 'bare', 'selected_tags.csv'), 'tag_id,name,category\n1,a,0\n')
  await expect((await open(join(root, 'bare'))).score(colour)).rejects.toThrow('4 numbers, but its list has 1 words')
  writeFileSync(join(root, 'bare', 'selected_tags.csv'), 'tag_id,name,category\n1,a,constructor\n')
  await expect(open(join(root, 'bare'))).rejects.toThrow('category "constructor" is not known')
  copyFileSync(join(root, 'wd', 'selected_tags.csv'), join(root, 'bare', 'selected_tags.csv'))
  truncateSync(join(root, 'bare', 'model.onnx'), 100)
  await expect(open(join(root, 'bare'))).rejects.toThrow('cannot be opened as an ONNX model')
  copyFileSync(join(root, 'cl', 'model.onnx'), join(root, 'bare', 'model.onnx'))
  await expect(open(join(root, 'bare'))).rejects.toThrow('expected [N, side, side, 3]')
})

const scores: readonly Scored[] = [
  { tag: 'general', category: 'rating', score: 0.2 },
  { tag: 'sensitive', category: 'rating', score: 0.3 },
  { tag: 'long_hair', category: 'general', score: 0.9 },
  { tag: 'smile', category: 'general', score: 0.36 },
  { tag: '>_<', category: 'general', score: 0.5 },
  { tag: 'hat', category: 'general', score: 0.34 },
  { tag: 'miku_(vocaloid)', category: 'character', score: 0.61 },
  { tag: 'rin', category: 'character', score: 0.59 },
  { tag: 'v3', category: 'model', score: 1 },
]

test.each([
  ['thresholds by category, drawn faces keep their underscores', {}, 'long hair, miku (vocaloid), >_<, smile'],
  ['the likeliest rating, however unsure', { rating: 'last' }, 'long hair, miku (vocaloid), >_<, smile, sensitive'],
  [
    'added ones first, excluded ones not at all, in either spelling',
    { add: ['x_y'], exclude: ['long hair', 'gone'] },
    'x y, miku (vocaloid), >_<, smile',
  ],
  [
    'by the alphabet, with underscores and backslashes',
    { order: 'alphabet', hasSpaces: false, escapesBrackets: true },
    '>_<, long_hair, miku_\\(vocaloid\\), smile',
  ],
  [
    'characters first, with scores',
    { order: 'characters first', hasScores: true },
    '(miku (vocaloid):0.610), (long hair:0.900), (>_<:0.500), (smile:0.360)',
  ],
] as const)('tags: %s', (_, options, expected) => {
  expect(selectTags(scores, { ...usualSelection, ...options }).join(', ')).toBe(expected)
})

test('a set gets pairs of picture and text; conflicts are handled as asked, and one undo takes it back', async () => {
  const folder = join(root, 'set')
  mkdirSync(folder)
  for (const name of ['a', 'b', 'c']) writeFileSync(join(folder, `${name}.png`), await encodePng(colour))
  writeFileSync(join(folder, 'b.txt'), 'mine, smile')
  writeFileSync(join(folder, 'c.png'), 'broken')
  const seen: string[] = []
  const run = (conflict: 'ignore' | 'append' | 'prepend' | 'replace') =>
    tagSet(openSet(folder), {
      tag: async () => ['smile', 'hat'],
      conflict,
      onProgress: (done, total, name) => seen.push(`${done}/${total} ${name}`),
    })
  const text = (name: string) => readFileSync(join(folder, name), 'utf8').trim()
  const first = await run('ignore')
  expect(first).toMatchObject({ written: ['a.txt'], passedOver: ['b.png'], failed: [{ name: 'c.png' }] })
  expect(text('a.txt')).toBe('smile, hat')
  expect(seen).toEqual(['0/3 a.png', '1/3 b.png', '2/3 c.png'])
  await run('append')
  expect(text('b.txt')).toBe('mine, smile, hat')
  await run('prepend')
  expect(text('b.txt')).toBe('smile, hat, mine')
  await run('replace')
  expect(text('b.txt')).toBe('smile, hat')
  for (let i = 0; i < 4; i++) undoSave(folder)
  expect(text('b.txt')).toBe('mine, smile')
  expect(existsSync(join(folder, 'a.txt'))).toBe(false)
})

test('zero-shot tags: words of a question share one, and the text tower alone is refused in words', async () => {
  const right = Float32Array.of(1, 0)
  const clip = {
    picture: async () => right,
    texts: async (texts: readonly string[]) =>
      texts.map((text) => (text.includes('night') ? right : Float32Array.of(Math.cos(0.1), Math.sin(0.1)))),
    scale: 100,
    dispose: async () => {},
  }
  const found = await (await openZeroShot(clip))(colour)
  const of = (tag: string) => found.find((each) => each.tag === tag)!.score
  const other = Math.exp(100 * (Math.cos(0.1) - 1))
  expect(of('night')).toBeCloseTo(1 / (1 + 2 * other), 4)
  expect(of('day') + of('night') + of('sunset')).toBeCloseTo(1, 9)
  await expect(openClip('model.safetensors', { threads: 1 })).rejects.toThrow('text tower only')
  await expect(openClip(root, { threads: 1 })).rejects.toThrow('has no vision_model.onnx')
})

test('a CLIP in two files: pictures are normalised by its means and cut to their middle', async () => {
  write('clip/onnx', 'vision_model.onnx', (graph) => ({
    image_embeds: reshape(reduceMean(graph.input('pixel_values', [1, 3, 4, 4]), [2, 3]), [1, 3]),
  }))
  write('clip/onnx', 'text_model.onnx', (graph) => {
    graph.input('input_ids', [1, 77], 'int64')
    return { text_embeds: constant(graph, Float32Array.of(3, 4), [1, 2]) }
  })
  const clip = await openClip(join(root, 'clip'), { threads: 1 })
  const wide = filled(3, 12, 4, [0, 0, 0])
  for (let y = 0; y < 4; y++) wide.data.fill(255, (y * 12 + 4) * 3, (y * 12 + 8) * 3)
  const white = [0, 1, 2].map(
    (c) => (1 - [0.48145466, 0.4578275, 0.40821073][c]!) / [0.26862954, 0.26130258, 0.27577711][c]!,
  )
  const length = Math.hypot(...white)
  for (const [c, value] of [...(await clip.picture(wide))].entries()) expect(value).toBeCloseTo(white[c]! / length, 5)
  const [text] = await clip.texts(['a cat'])
  expect(text![0]).toBeCloseTo(0.6, 6)
  await clip.dispose()
})

test('YuNet’s cells become boxes in the picture’s own pixels, overlapping ones one', async () => {
  const path = write('faces', 'yunet.onnx', (graph) => {
    graph.input('input', [1, 3, 64, 64])
    const outputs: Record<string, Value> = {}
    for (const stride of [8, 16, 32]) {
      const cells = (64 / stride) ** 2
      const [cls, obj, bbox] = [new Float32Array(cells), new Float32Array(cells), new Float32Array(cells * 4)]
      if (stride === 8) {
        // The cell in row 2, column 3 and its neighbour see the same face of 16 × 24.
        for (const [cell, score, shift] of [
          [2 * 8 + 3, 0.81, 0.5],
          [2 * 8 + 4, 0.64, -0.4],
        ] as const) {
          cls[cell] = score
          obj[cell] = 1
          bbox.set([shift, 0.5, Math.log(2), Math.log(3)], cell * 4)
        }
      }
      outputs[`cls_${stride}`] = constant(graph, cls, [1, cells, 1])
      outputs[`obj_${stride}`] = constant(graph, obj, [1, cells, 1])
      outputs[`bbox_${stride}`] = constant(graph, bbox, [1, cells, 4])
    }
    return outputs
  })
  // A picture of 128 is halved: boxes come back twice as large.
  const faces = await (await openFaceDetector(path))(filled(3, 128, 96, [9, 9, 9]))
  expect(faces).toHaveLength(1)
  const [{ left, top, right, bottom, score }] = faces as [(typeof faces)[number]]
  expect(score).toBeCloseTo(0.9, 5)
  for (const [value, expected] of [
    [left, 40],
    [top, 16],
    [right, 72],
    [bottom, 64],
  ] as const) {
    expect(value).toBeCloseTo(expected, 3)
  }
  await expect(openFaceDetector(join(root, 'wd', 'model.onnx'))).rejects.toThrow('no YuNet face detector')
})
