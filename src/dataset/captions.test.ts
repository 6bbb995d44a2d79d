import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { pythonRandom } from '../tensor/pythonRandom.ts'
import { type CaptionOptions, drawCaption, isFixedCaption } from './captions.ts'

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../test/golden-training/vectors/${name}`, import.meta.url), 'utf8')) as unknown

interface Config {
  readonly caption_prefix: string | null
  readonly caption_suffix: string | null
  readonly caption_dropout_rate: number
  readonly caption_dropout_every_n_epochs: number
  readonly enable_wildcard: boolean
  readonly shuffle_caption: boolean
  readonly token_warmup_step: number
  readonly token_warmup_min: number
  readonly caption_tag_dropout_rate: number
  readonly keep_tokens_separator: string
  readonly caption_separator: string
  readonly keep_tokens: number
  readonly secondary_separator: string | null
}
interface Row {
  readonly config: string
  readonly caption: string
  readonly seed: number
  readonly current_epoch: number
  readonly current_step: number
  readonly max_train_steps: number
  readonly draws: readonly string[]
}
const { configs, rows } = read('captions.json') as { configs: Record<string, Config>; rows: readonly Row[] }

const optionsOf = (config: Config): CaptionOptions => ({
  prefix: config.caption_prefix ?? undefined,
  suffix: config.caption_suffix ?? undefined,
  dropoutRate: config.caption_dropout_rate,
  dropoutEveryEpochs: config.caption_dropout_every_n_epochs,
  hasWildcards: config.enable_wildcard,
  isShuffled: config.shuffle_caption,
  keepTokens: config.keep_tokens,
  keepTokensSeparator: config.keep_tokens_separator,
  separator: config.caption_separator,
  secondarySeparator: config.secondary_separator ?? undefined,
  tagDropoutRate: config.caption_tag_dropout_rate,
  warmup: { steps: config.token_warmup_step, min: config.token_warmup_min },
})

/** The recorded version joined by commas whatever the separator, which its successor repaired. */
const isRepaired = ({ caption_separator }: Config) => caption_separator !== ','
/** It also left the mark in the prompt where nothing was shuffled. */
const leavesMark = ({ keep_tokens_separator: mark }: Config, draws: readonly string[]) =>
  mark !== '' && draws.some((draw) => draw.includes(mark))

test.each(Object.keys(configs))('captions are drawn as kohya’s trainer draws them: %s', (name) => {
  const config = configs[name]!
  for (const row of rows.filter(({ config: of }) => of === name)) {
    const random = pythonRandom(row.seed)
    const at = { epoch: row.current_epoch, step: row.current_step, totalSteps: row.max_train_steps }
    const draws = row.draws.map(() => drawCaption(row.caption, optionsOf(config), at, random))
    if (isRepaired(config))
      expect(draws.map((draw) => draw.replaceAll(`${config.caption_separator} `, ', '))).toEqual(row.draws)
    else if (leavesMark(config, row.draws)) expect(draws.join()).not.toContain('|||')
    else expect(draws, JSON.stringify(row)).toEqual(row.draws)
  }
})

test('only captions that nothing changes are fixed', () => {
  const fixed = Object.keys(configs).filter((name) => isFixedCaption(optionsOf(configs[name]!)))
  expect(fixed).toEqual(['none', 'keep_sep_noshuffle', 'secondary_noshuffle', 'prefix_suffix'])
})

test('shuffles and draws are Python’s', () => {
  const { seed, first_shuffle_of_range9, second, random_after } = read('python_shuffle.json') as {
    seed: number
    first_shuffle_of_range9: number[]
    second: number[]
    random_after: number[]
  }
  const random = pythonRandom(seed)
  expect(random.shuffled([0, 1, 2, 3, 4, 5, 6, 7, 8])).toEqual(first_shuffle_of_range9)
  expect(random.shuffled([0, 1, 2, 3, 4, 5, 6, 7, 8])).toEqual(second)
  expect(random_after.map(() => random.random())).toEqual(random_after)
})
