import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { ask, contractServer } from './contractServer.ts'

/** A recorded call of the reference, and what it answered; pictures are counted, `info` is taken apart. */
interface Recorded {
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body: unknown
  readonly status: number
  readonly answer: unknown
}

type Answer = Record<string, unknown>

const recorded = JSON.parse(readFileSync(new URL('answers.json', import.meta.url), 'utf8')) as Recorded[]

/** Launch flags with which the reference was recorded. */
const flags = Object.fromEntries([
  ...['skip_python_version_check', 'skip_torch_cuda_test', 'skip_prepare_environment', 'skip_install'].map(on),
  ...['do_not_download_clip', 'no_half', 'no_half_vae', 'disable_console_progressbars', 'api', 'nowebui'].map(on),
  ...['skip_version_check', 'no_download_sd_model'].map(on),
  ['use_cpu', ['all']],
  ['precision', 'full'],
  ['port', '7861'],
  ['server_name', '127.0.0.1'],
])

function on(flag: string) {
  return [flag, true] as const
}

/** What of an answer is this run's own, and what the README of the recordings says is not compared. */
const comparisons: Readonly<Record<string, (answer: Answer) => unknown>> = {
  memory: ({ ram, cuda }) => ({ ram: Object.keys(ram as object).sort(), cuda }),
  // The reference names files of its own program there.
  'cmd-flags': ({ config: _, ckpt: __, gfpgan_dir: ___, gradio_allowed_path: ____, data_dir: _____, ...rest }) => rest,
  // Options that are text for the page and none: this program's page has words of its own. And the one option that guards
  // the server and is therefore off where nobody has set it.
  options: ({
    profiling_explanation: _,
    sd_vae_explanation: __,
    infotext_explanation: ___,
    settings_in_ui: ____,
    api_enable_requests: _____,
    ...rest
  }) => rest,
  progress_idle: ({ state, ...rest }) => ({ ...rest, state: { ...(state as Answer), job_timestamp: '' } }),
  // The one script that is not here.
  scripts: ({ txt2img, img2img }) => ({
    txt2img,
    img2img: (img2img as string[]).filter((title) => title !== 'img2img alternative test'),
  }),
}

/** An answer without what is its own run's: folders, drawn seeds, the time. */
function comparable(name: string, answer: unknown): unknown {
  const scrubbed = JSON.parse(JSON.stringify(answer), (key, value: unknown) => {
    if (key === 'info' && typeof value === 'string' && value.startsWith('{')) return JSON.parse(value) as unknown
    if (key === 'images' && Array.isArray(value)) return value.length
    if (typeof value === 'string' && /^(\/|<root>)/.test(value)) return `<root>/${value.split('/').at(-1)}`
    return value
  }) as unknown
  if (Array.isArray(scrubbed)) {
    if (name === 'script-info')
      return scrubbed.filter((each: Answer) => each.name !== 'img2img alternative test').map(local)
    return scrubbed
  }
  if (scrubbed === null) return null
  const { info, ...rest } = scrubbed as Answer
  const own = comparisons[name]?.(rest) ?? rest
  if (typeof info !== 'object' || info === null) return { ...(own as Answer), info }
  return { ...(own as Answer), info: { ...info, subseed: 0, all_subseeds: [], job_timestamp: '' } }
}

/** A script without the upscalers to choose from: those of the reference are files that it would download. */
function local(script: Answer): Answer {
  if (script.name !== 'sd upscale') return script
  const args = (script.args as Answer[]).map((arg) => (arg.label === 'Upscaler' ? { ...arg, choices: [] } : arg))
  return { ...script, args }
}

describe('read leniently, every recorded call is answered as the reference answers it', () => {
  const server = contractServer({ isLenient: true, flags })
  beforeAll(async () => {
    // The reference had loaded both checkpoints, and hashed them on the way.
    const { library } = server().studio
    for (const { path } of library.checkpoints()) await library.hashes.file(path)
  })

  test.each(recorded.map((each) => [each.name, each] as const))('%s', async (_, each) => {
    const { status, answer } = await ask(server(), each.method, each.path, each.body)
    expect(comparable(each.name, answer)).toEqual(comparable(each.name, each.answer))
    expect(status).toBe(each.status)
  })
})

/** Where a strict server answers otherwise, with which status and naming which field: docs/api.en.md lists them. */
const stricter: Readonly<Record<string, readonly [status: number, field?: string]>> = {
  unknown_sampler: [422, 'sampler_name'],
  lowercase_sampler: [422, 'sampler_name'],
  alias_sampler: [422, 'sampler_name'],
  unknown_scheduler: [422, 'scheduler'],
  width_negative: [422, 'width'],
  width_zero: [422, 'width'],
  steps_zero: [422, 'steps'],
  steps_negative: [422, 'steps'],
  batch_zero: [422, 'batch_size'],
  n_iter_zero: [422, 'n_iter'],
  unknown_hires_upscaler: [422, 'hr_upscaler'],
  override_unknown_key: [422, 'override_settings.nope'],
  override_unknown_checkpoint: [422, 'override_settings.sd_model_checkpoint'],
  unknown_style: [422, 'styles'],
  missing_lora: [422, 'prompt'],
  img2img_bad_base64: [422, 'init_images.0'],
  png_info_empty: [422, 'image'],
  extra_single_empty: [422, 'image'],
  options_unknown: [422, 'nope'],
  options_unknown_checkpoint: [422, 'sd_model_checkpoint'],
  // A prompt of null is none.
  null_prompt: [200],
  // Only what is there.
  upscalers: [200],
  'realesrgan-models': [200],
}

/** Calls that make pictures and are answered alike take their time once; these stand for them. */
const examples: ReadonlySet<string> = new Set(['old_sampler_name', 'send_images_false'])

describe('read strictly, answers are the same but for where the documentation says so', () => {
  const server = contractServer({ flags })
  beforeAll(async () => {
    const { library } = server().studio
    for (const { path } of library.checkpoints()) await library.hashes.file(path)
  })
  const makesPictures = ({ status, path }: Recorded) => status === 200 && path.endsWith('2img')
  const others = recorded.filter((each) => !makesPictures(each) || each.name in stricter || examples.has(each.name))

  test.each(others.map((each) => [each.name, each] as const))('%s', async (name, each) => {
    const { status, answer } = await ask(server(), each.method, each.path, each.body)
    const [expected, field] = stricter[name] ?? [each.status]
    expect(status).toBe(expected)
    if (field !== undefined) {
      const { error, errors } = answer
      expect(answer).toMatchObject({ field, detail: errors })
      expect([typeof error, errors]).toEqual(['string', expect.stringContaining(field.split('.').at(-1)!)])
    } else if (!(name in stricter) && name !== 'progress_idle') {
      expect(comparable(name, answer)).toEqual(comparable(name, each.answer))
    }
  })
})
