import { createHash } from 'node:crypto'
import type { Picture } from './picture.ts'
import { strftime } from './strftime.ts'

/** What a file name may be made of. Numbers that the infotext spells are spelled the same way here. */
export interface FileNameContext {
  readonly prompt: string
  readonly negativePrompt: string
  /** How many words of the prompt `[prompt_words]` takes. */
  readonly promptWords: number
  readonly styles: readonly string[]
  /** Prompt texts of those styles, which may contain `{prompt}`. */
  readonly stylePrompts: readonly string[]
  readonly seed: number
  /** Seeds of the whole job. */
  readonly seeds: readonly number[]
  readonly steps: number
  readonly cfgScale: string
  readonly denoisingStrength: string | undefined
  readonly sampler: string
  readonly scheduler: string
  readonly clipSkip: number
  readonly modelHash: string
  readonly modelName: string
  readonly vaeName: string
  readonly user: string
  readonly batchSize: number
  readonly batchCount: number
  /** Which batch, and which picture in it, from 0. */
  readonly batch: number
  readonly indexInBatch: number
  /** When the job began, and when the picture is saved. */
  readonly jobTime: Date
  readonly time: Date
  readonly basename: string
  readonly picture: Picture
}

/** A pattern that vanishes together with the text before it. */
const vanished = Symbol('vanished')
type Replacement = string | typeof vanished

const forbidden = /[#<>:"/\\|?*\p{Cc}]/gu
/** Room for a few such parts in the 255 bytes of a file name. */
const longestPart = 128
const defaultTimeFormat = '%Y%m%d%H%M%S'

/** A text as part of a file name: no character that file systems or shells treat specially, no outer spaces. */
export function fileNamePart(text: string, { spaces }: { readonly spaces: boolean }): string {
  const safe = (spaces ? text : text.replaceAll(' ', '_')).replace(forbidden, '_').replace(/^ +/, '')
  return [...safe]
    .slice(0, longestPart)
    .join('')
    .replace(/[ .]+$/, '')
}

const spaced = (text: string) => fileNamePart(text, { spaces: true })
const joined = (text: string) => fileNamePart(text, { spaces: false })

function sha256(content: string | Uint8Array, length: string | undefined, otherwise: number): string {
  const wanted = Number.parseInt(length ?? '', 10)
  return createHash('sha256')
    .update(content)
    .digest('hex')
    .slice(0, Number.isNaN(wanted) ? otherwise : wanted)
}

/** The prompt without what its styles added. */
function withoutStyles({ prompt, stylePrompts }: FileNameContext): string {
  const trimmed = (text: string) => text.trim().replace(/^,+|,+$/g, '')
  let rest = prompt
  for (const style of stylePrompts.filter((each) => each !== '')) {
    for (const part of style.split('{prompt}').filter((each) => each !== '')) {
      rest = trimmed(rest.replaceAll(part, '').replaceAll(', ,', ','))
    }
    rest = trimmed(rest.replaceAll(style, '')).trim()
  }
  return rest
}

/** Each argument is `wanted` or `wanted|otherwise`: the first if the prompt contains it, else the second. */
function promptMentions(prompt: string, choices: readonly string[]): string {
  const lower = prompt.toLowerCase()
  const parts = choices.map((choice) => {
    const [wanted = '', otherwise = ''] = choice.split('|')
    return lower.includes(wanted.toLowerCase()) ? wanted.toLowerCase() : otherwise
  })
  return joined(parts.join(''))
}

const patterns: Readonly<Record<string, (context: FileNameContext, args: readonly string[]) => Replacement>> = {
  basename: ({ basename }) => (basename === '' ? 'img' : basename),
  seed: ({ seed }) => String(seed),
  seed_first: ({ seed, seeds, batchSize }) => String(batchSize === 1 ? seed : seeds[0]),
  seed_last: ({ seeds, batchSize }) => (batchSize === 1 ? vanished : String(seeds.at(-1))),
  steps: ({ steps }) => String(steps),
  cfg: ({ cfgScale }) => cfgScale,
  width: ({ picture }) => String(picture.width),
  height: ({ picture }) => String(picture.height),
  styles: ({ styles }) => {
    const named = styles.filter((style) => style !== 'None')
    return spaced(named.length === 0 ? 'None' : named.join(', '))
  },
  sampler: ({ sampler }) => spaced(sampler),
  scheduler: ({ scheduler }) => spaced(scheduler),
  sampler_scheduler: ({ sampler, scheduler }) =>
    spaced(scheduler === 'Automatic' ? sampler : `${sampler} ${scheduler}`),
  model_hash: ({ modelHash }) => spaced(modelHash),
  model_name: ({ modelName }) => spaced(modelName),
  date: ({ time }) => strftime(time, '%Y-%m-%d'),
  datetime: ({ time }, [format = '', timeZone]) =>
    spaced(strftime(time, format === '' ? defaultTimeFormat : format, timeZone)),
  job_timestamp: ({ jobTime }) => strftime(jobTime, defaultTimeFormat),
  prompt: ({ prompt }) => joined(prompt),
  prompt_no_styles: (context) => spaced(withoutStyles(context)),
  prompt_spaces: ({ prompt }) => spaced(prompt),
  prompt_words: ({ prompt, promptWords }) => {
    const words = prompt.split(/[\s!-/:-@[-`{-~]+/).filter((word) => word !== '')
    return spaced(words.length === 0 ? 'empty' : words.slice(0, promptWords).join(' '))
  },
  prompt_hash: ({ prompt }, [length]) => sha256(prompt, length, 8),
  negative_prompt_hash: ({ negativePrompt }, [length]) => sha256(negativePrompt, length, 8),
  full_prompt_hash: ({ prompt, negativePrompt }, [length]) => sha256(`${prompt} ${negativePrompt}`, length, 8),
  image_hash: ({ picture }, [length]) => sha256(picture.data, length, 64),
  batch_number: ({ batchSize, indexInBatch }) => (batchSize === 1 ? vanished : String(indexInBatch + 1)),
  batch_size: ({ batchSize }) => String(batchSize),
  generation_number: ({ batchSize, batchCount, batch, indexInBatch }) =>
    batchSize === 1 && batchCount === 1 ? vanished : String(batch * batchSize + indexInBatch + 1),
  hasprompt: ({ prompt }, args) => promptMentions(prompt, args),
  clip_skip: ({ clipSkip }) => String(clipSkip),
  denoising: ({ denoisingStrength }) => denoisingStrength ?? vanished,
  user: ({ user }) => spaced(user),
  vae_filename: ({ vaeName }) => spaced(vaeName),
  none: () => '',
}

/**
 * A file name (or path below a directory) from a pattern such as `[seed]-[prompt_words]`. A name in brackets may carry
 * arguments, `[datetime<%Y><Asia/Tokyo>]`; what is not known stays as it stands, without its arguments.
 */
export function fileName(pattern: string, context: FileNameContext): string {
  let name = ''
  let text = ''
  for (const piece of pattern.split(/(\[[^[\]]+\])/)) {
    if (!/^\[[^[\]]+\]$/.test(piece)) {
      text += piece
      continue
    }
    const { key, args } = withArguments(piece.slice(1, -1))
    const replacement = Object.hasOwn(patterns, key.toLowerCase())
      ? patterns[key.toLowerCase()]!(context, args)
      : undefined
    if (replacement !== vanished) name += text + (replacement ?? `[${key}]`)
    text = ''
  }
  return name + text
}

function withArguments(inner: string): { key: string; args: readonly string[] } {
  const args: string[] = []
  let key = inner
  for (let match = /^(.*)<([^>]*)>$/s.exec(key); match; match = /^(.*)<([^>]*)>$/s.exec(key)) {
    key = match[1]!
    args.unshift(match[2]!)
  }
  return { key, args }
}
