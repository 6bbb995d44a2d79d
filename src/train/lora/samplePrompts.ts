import { parse } from 'smol-toml'
import { StudioError } from '../../errors.ts'

/** A picture that shows what a network has learnt. */
export interface SamplePrompt {
  readonly prompt: string
  readonly negativePrompt: string
  readonly width: number
  readonly height: number
  /** Undefined for a new one each time. */
  readonly seed: number | undefined
  readonly steps: number
  readonly cfgScale: number
  readonly sampler: string
}

/**
 * The prompts of a file by its extension: lines of text with kohya's options (`a cat --n blurry --w 512 --d 1`), a TOML
 * with `[prompt]` and its `[[prompt.subset]]`, or JSON with a list of these.
 */
export function samplePrompts(path: string, content: string, sampler: string): readonly SamplePrompt[] {
  const defaults = { negativePrompt: '', width: 512, height: 512, seed: undefined, steps: 30, cfgScale: 7.5, sampler }
  const fromLine = (line: string) => promptOfLine(line, defaults)
  if (path.endsWith('.json')) {
    const list = JSON.parse(content) as unknown
    if (!Array.isArray(list)) throw wrong(path, 'a list of prompts')
    return list.map((item: unknown) =>
      typeof item === 'string' ? fromLine(item) : promptOfTable(path, item, defaults),
    )
  }
  if (path.endsWith('.toml')) {
    const { prompt } = parse(content)
    if (typeof prompt !== 'object' || prompt === null) throw wrong(path, 'a table [prompt]')
    const { subset, ...common } = prompt as Record<string, unknown>
    const subsets = Array.isArray(subset) ? subset : [{}]
    return subsets.map((own: unknown) => promptOfTable(path, { ...common, ...(own as object) }, defaults))
  }
  return content
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(fromLine)
}

type Defaults = Omit<SamplePrompt, 'prompt'>

function promptOfLine(line: string, defaults: Defaults): SamplePrompt {
  const [prompt = '', ...options] = line.split(' --')
  const result: Record<string, unknown> = { ...defaults, prompt: prompt.trim() }
  for (const option of options) {
    const match = /^(\w+)\s+(.+)$/s.exec(option.trim())
    const known = match && lineOptions[match[1]!.toLowerCase()]
    if (!known) continue
    const [name, kind] = known
    const value = kind === 'text' ? match[2]!.trim() : Number(match[2])
    if (typeof value === 'string' || Number.isFinite(value)) result[name] = value
  }
  return bounded(result as unknown as SamplePrompt)
}

const lineOptions: Readonly<Record<string, readonly [keyof SamplePrompt, 'text' | 'number']>> = {
  n: ['negativePrompt', 'text'],
  w: ['width', 'number'],
  h: ['height', 'number'],
  d: ['seed', 'number'],
  s: ['steps', 'number'],
  l: ['cfgScale', 'number'],
  ss: ['sampler', 'text'],
}

const tableKeys: Readonly<Record<string, keyof SamplePrompt>> = {
  prompt: 'prompt',
  negative_prompt: 'negativePrompt',
  width: 'width',
  height: 'height',
  seed: 'seed',
  sample_steps: 'steps',
  scale: 'cfgScale',
  sample_sampler: 'sampler',
}

function promptOfTable(path: string, table: unknown, defaults: Defaults): SamplePrompt {
  if (typeof table !== 'object' || table === null) throw wrong(path, 'prompts or tables')
  const result: Record<string, unknown> = { ...defaults, prompt: '' }
  for (const [key, value] of Object.entries(table)) {
    const name = tableKeys[key]
    if (name === undefined) continue
    const isText = ['prompt', 'negativePrompt', 'sampler'].includes(name)
    if (typeof value !== (isText ? 'string' : 'number')) throw wrong(path, `${key} as ${isText ? 'text' : 'a number'}`)
    result[name] = value
  }
  return bounded(result as unknown as SamplePrompt)
}

/** Sides in multiples of 8 from 64, steps from 1 to 1000. */
function bounded(prompt: SamplePrompt): SamplePrompt {
  const side = (length: number) => Math.max(64, 8 * Math.floor(length / 8))
  return {
    ...prompt,
    width: side(prompt.width),
    height: side(prompt.height),
    steps: Math.min(1000, Math.max(1, Math.round(prompt.steps))),
    seed: prompt.seed === undefined ? undefined : Math.round(prompt.seed),
  }
}

function wrong(path: string, expected: string): StudioError {
  return new StudioError('bad-file', `sample_prompts: ${path}: expected ${expected}`, { field: 'sample_prompts' })
}
