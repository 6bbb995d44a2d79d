import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openWeights } from '../files/openWeights.ts'
import { readBytes } from '../files/readWeight.ts'
import { type ChunkedPrompt, type ChunkOptions, chunkPrompt, chunkRounds, encoderTokens } from './chunks.ts'
import { stripComments } from './comments.ts'
import { splitAnd } from './composition.ts'
import { type EmbeddingIndex, indexEmbeddings } from './embeddings.ts'
import type { EmphasisMode } from './emphasis.ts'
import { parseExtraNetworks } from './extraNetworks.ts'
import { chunkPromptOld } from './oldEmphasis.ts'
import { parsePromptSchedule } from './schedule.ts'
import { bos, createTokenizer, eos } from './tokenizer.ts'

const root = new URL('../../', import.meta.url)
const merges = readFileSync(new URL('assets/clip-merges.bin', root))
const tokenizer = createTokenizer(merges, 'clip')
const embedding = (name: string, count: number) => ({
  name,
  vectors: { shape: [count, 1], data: new Float32Array(count) },
})
const embeddings = indexEmbeddings(
  [embedding('tiny', 1), embedding('tinyemb', 2), embedding('negtiny', 5), embedding('wide', 70)],
  tokenizer,
)
const options: ChunkOptions = { tokenizer, embeddings, emphasis: 'Original', commaBacktrack: 20 }

/** The tokens of each chunk between BOS and padding, as text. */
const texts = (prompt: string, changes: Partial<ChunkOptions> = {}) =>
  chunkPrompt(prompt, { ...options, ...changes }).chunks.map(({ tokens }) =>
    tokens
      .filter((token) => token !== bos && token !== eos)
      .map((token) => tokenizer.textOf(token).replace('</w>', '')),
  )

describe('a prompt of more than 75 tokens', () => {
  const cats = (count: number) => Array<string>(count).fill('cat')
  test('is divided after the last comma near the end', () => {
    const prompt = [...cats(60), ',', ...cats(30)].join(' ')
    expect(texts(prompt).map(({ length }) => length)).toEqual([61, 30])
    expect(texts(prompt, { commaBacktrack: 14 }).map(({ length }) => length)).toEqual([75, 16])
    expect(texts(prompt, { commaBacktrack: 0 }).map(({ length }) => length)).toEqual([75, 16])
  })
  test('keeps a comma that does not fit with the next chunk', () => {
    const [, second] = texts([...cats(75), ',', 'dog'].join(' '))
    expect(second).toEqual([',', 'dog'])
  })
  test('starts a new chunk rather than divide an embedding', () => {
    const { chunks } = chunkPrompt([...cats(73), 'negtiny', 'dog'].join(' '), options)
    expect(chunks[0]!.tokens.filter((token) => token === eos)).toHaveLength(3)
    expect(chunks[1]!.fixes).toMatchObject([{ offset: 1, embedding: { name: 'negtiny' } }])
  })
})

test('an embedding is found by the longest name in any case, and weighs as its name does', () => {
  const { chunks } = chunkPrompt('a (TinyEmb:1.5) tiny', options)
  expect(chunks[0]!.fixes.map(({ offset, embedding: { name } }) => [offset, name])).toEqual([
    [2, 'tinyemb'],
    [4, 'tiny'],
  ])
  expect(chunks[0]!.weights.slice(0, 6)).toEqual([1, 1, 1.5, 1.5, 1, 1])
})

test('the empty prompt is one chunk of padding', () => {
  const { chunks, tokenCount } = chunkPrompt('', options)
  expect(tokenCount).toBe(0)
  expect(chunks).toEqual([{ tokens: [bos, ...Array<number>(76).fill(eos)], weights: Array(77).fill(1), fixes: [] }])
})

test('OpenCLIP wants zeros after the first end of text', () => {
  const [chunk] = chunkPrompt('a cat', options).chunks
  expect(encoderTokens(chunk!, 'openclip')).toEqual([bos, 320, 2368, eos, ...Array<number>(73).fill(0)])
  expect(encoderTokens(chunk!, 'clip')).toEqual(chunk!.tokens)
})

test('prompts encoded together go on with empty chunks where they are shorter', () => {
  const rounds = chunkRounds(['a BREAK b BREAK c', 'd'].map((prompt) => chunkPrompt(prompt, options)))
  expect(rounds.map((round) => round.map(({ tokens }) => tokens[1]))).toEqual([
    [320, 323],
    [321, eos],
    [322, eos],
  ])
})

test('any prompt makes chunks of 77 tokens with finite weights and embeddings inside', () => {
  const words = ['cat', ', ', ' ', '(', ':2)', ')', '[', ']', ' BREAK ', 'tinyemb ', 'negtiny ', 'wide ', '猫', '😀']
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...words), maxLength: 200 }),
      fc.nat(80),
      fc.constantFrom(chunkPrompt, chunkPromptOld),
      (prompt, commaBacktrack, chunk) => {
        const { chunks, tokenCount } = chunk(prompt, { ...options, commaBacktrack })
        expect(tokenCount).toBeGreaterThanOrEqual(0)
        for (const { tokens, weights, fixes } of chunks) {
          expect([tokens.length, weights.length, tokens[0], tokens[76]]).toEqual([77, 77, bos, eos])
          expect(weights.every(Number.isFinite)).toBe(true)
          for (const { offset } of fixes) expect(offset).toSatisfy((at) => at >= 1 && at <= 76)
        }
      },
    ),
  )
})

describe('chunks are those recorded from the web UI', () => {
  interface Recorded {
    readonly count: number
    readonly chunks: readonly { tokens: number[]; weights: [number, number][]; fixes: [number, string][] }[]
  }
  interface Case {
    readonly text: string
    readonly backtrack: number
    readonly emphasis: EmphasisMode
    readonly new: Recorded
    readonly old: Recorded
  }
  const cases: Case[] = JSON.parse(readFileSync(new URL('goldens/chunks.json', import.meta.url), 'utf8'))

  const expectChunks = ({ chunks, tokenCount }: ChunkedPrompt, recorded: Recorded, text: string) => {
    expect(tokenCount, text).toBe(recorded.count)
    expect(chunks.length, text).toBe(recorded.chunks.length)
    for (const [i, { tokens, weights, fixes }] of recorded.chunks.entries()) {
      const { tokens: found, ...chunk } = chunks[i]!
      expect(found, text).toEqual([...tokens, ...Array<number>(77 - tokens.length).fill(eos)])
      expect(chunk.weights, text).toEqual(weights.flatMap(([weight, count]) => Array<number>(count).fill(weight)))
      // Old emphasis notes embeddings beyond the chunk too; they have no place to go.
      const inside = fixes.filter(([offset]) => offset < 77)
      expect(
        chunk.fixes.map(({ offset, embedding: { name } }) => [offset, name]),
        text,
      ).toEqual(inside)
    }
  }
  test('with the emphasis of today', () => {
    for (const { text, backtrack, emphasis, new: recorded } of cases) {
      expectChunks(chunkPrompt(text, { ...options, commaBacktrack: backtrack, emphasis }), recorded, text)
    }
  })
  test('with the emphasis of before October 2022', () => {
    for (const { text, emphasis, old } of cases) {
      expectChunks(chunkPromptOld(text, { ...options, emphasis }), old, text)
    }
  })
})

describe('what the web UI handed its text encoder in recorded requests', () => {
  const golden = new URL('test/golden/', root)
  const index: { cases: Record<string, { request: string; checkpoint: string }> } = JSON.parse(
    readFileSync(new URL('index.json', golden), 'utf8'),
  )
  const fileOf = (id: string) => new URL(`tensors/${id.replace('/', '__')}.safetensors`, golden)
  const ids = Object.keys(index.cases).filter((id) => existsSync(fileOf(id)))

  test('is recorded for 35 requests', () => {
    expect(ids).toHaveLength(35)
  })
  test.each(ids)('%s', (id) => {
    const entries = openWeights(fileURLToPath(fileOf(id))).entries
    const { request, checkpoint } = index.cases[id]!
    const { prompt, negative_prompt, steps } = JSON.parse(readFileSync(new URL(request, golden), 'utf8')).request
    const kind = checkpoint.includes('sd2') ? 'openclip' : 'clip'
    const own = createTokenizer(merges, kind)
    const known: EmbeddingIndex = indexEmbeddings([embedding('tinyemb', 2), embedding('negtiny', 5)], own)

    const parts = splitAnd(parseExtraNetworks(stripComments(prompt)).text).map(({ text }) => text)
    const expected = [stripComments(negative_prompt), ...parts].flatMap((text) => {
      const scheduled = parsePromptSchedule(text, steps).map((entry) => entry.text)
      return chunkRounds(scheduled.map((each) => chunkPrompt(each, { ...options, tokenizer: own, embeddings: known })))
    })

    const bytesOf = (name: string) => Uint8Array.from(readBytes(entries.get(name)!)).buffer
    const runs = [...entries.keys()].filter((name) => name.endsWith('.tokens')).sort()
    expect(runs.length % expected.length).toBe(0)
    for (const [i, run] of runs.entries()) {
      // A second, high-resolution pass encodes everything once more.
      const round = expected[i % expected.length]!
      const tokens = [...new BigInt64Array(bytesOf(run))].map(Number)
      expect(round.flatMap((chunk) => chunk.tokens)).toEqual(tokens)
      const weights = new Float32Array(bytesOf(run.replace('tokens', 'multipliers')))
      expect(Float32Array.from(round.flatMap((chunk) => chunk.weights))).toEqual(weights)
    }
  })
})
