import { type Command, InvalidArgumentError, Option } from 'commander'
import { collect, decimal, type Size, size, wholeNumber } from './numbers.ts'
import { pictureText, type RequestBody } from './requestFile.ts'

type Writer = (body: RequestBody, value: never) => void

/** An option of `generate`, and what it writes into the request. */
interface RecipeOption {
  readonly flags: string
  readonly description: string
  readonly parse?: (text: string, before: never) => unknown
  readonly choices?: readonly string[]
  readonly write: Writer
}

const field = (name: string) => (body: RequestBody, value: unknown) => {
  body[name] = value
}

const setting = (name: string) => (body: RequestBody, value: unknown) => {
  body.override_settings = { ...(body.override_settings as object | undefined), [name]: value }
}

function option<T>(
  flags: string,
  description: string,
  write: (body: RequestBody, value: T) => void,
  parse?: (text: string, before: T) => T,
): RecipeOption {
  return { flags, description, write, ...(parse ? { parse } : {}) }
}

/** `key=value` where the value is JSON, or plain text where it is not. */
function assignment(text: string, before: readonly Assignment[] = []): readonly Assignment[] {
  const split = text.indexOf('=')
  if (split < 1) throw new InvalidArgumentError(`expected KEY=VALUE, found "${text}".`)
  const raw = text.slice(split + 1)
  let value: unknown = raw
  try {
    value = JSON.parse(raw)
  } catch {
    // Plain text needs no quotes on a command line.
  }
  return [...before, { key: text.slice(0, split), value }]
}

interface Assignment {
  readonly key: string
  readonly value: unknown
}

/** Pixels around a masked area that are looked at, where none are given. */
const defaultPadding = 32

const groups: readonly { readonly title: string; readonly options: readonly RecipeOption[] }[] = [
  {
    title: 'Picture:',
    options: [
      option('-n, --negative <text>', 'what the picture should not show', field('negative_prompt')),
      option<Size>(
        '-s, --size <WxH>',
        'width and height in pixels (default: 512x512)',
        (body, { width, height }) => Object.assign(body, { width, height }),
        size,
      ),
      option('--steps <n>', 'denoising steps (default: 20)', field('steps'), wholeNumber),
      option('--cfg <scale>', 'how strictly the prompt is followed (default: 7)', field('cfg_scale'), decimal),
      option('--seed <n>', 'number that fixes the noise; -1, the default, draws one', field('seed'), wholeNumber),
      option('--sampler <name>', 'stepping rule, listed below (default: "DPM++ 2M")', field('sampler_name')),
      option(
        '--scheduler <name>',
        'spacing of the noise levels (default: Automatic, which leaves it to the sampler)',
        field('scheduler'),
      ),
      option('-b, --batch <n>', 'pictures made at once (default: 1)', field('batch_size'), wholeNumber),
      option('-c, --count <n>', 'batches, one after the other (default: 1)', field('n_iter'), wholeNumber),
      option('--style <name>', 'a style of styles.csv; repeatable', field('styles'), collect),
      option('--tiling', 'make edges meet, for seamless textures', field('tiling')),
      option('--no-grid', 'no grid beside several pictures', setting('grid_save')),
    ],
  },
  {
    title: 'Models:',
    options: [
      option(
        '-m, --model <name>',
        'checkpoint: title, name, file or hash (default: the one of config.json, or the first)',
        setting('sd_model_checkpoint'),
      ),
      option('--vae <name>', 'a VAE file of its own', setting('sd_vae')),
      option(
        '--clip-skip <n>',
        'stop the text encoder n layers early',
        setting('CLIP_stop_at_last_layers'),
        wholeNumber,
      ),
      option('--refiner <name>', 'checkpoint that takes over during sampling', field('refiner_checkpoint')),
      option('--refiner-at <fraction>', 'when the refiner takes over', field('refiner_switch_at'), decimal),
    ],
  },
  {
    title: 'Noise:',
    options: [
      {
        flags: '--rng <source>',
        description: 'noise as made on a CPU, or on an NVIDIA card',
        choices: ['CPU', 'NV', 'GPU'],
        write: setting('randn_source'),
      },
      option('--eta <n>', 'share of fresh noise in stochastic samplers, from 0 to 1', field('eta'), decimal),
      option('--variation-seed <n>', 'a second seed to move towards', field('subseed'), wholeNumber),
      option('--variation <strength>', 'how far, from 0 to 1', field('subseed_strength'), decimal),
      option<Size>(
        '--seed-size <WxH>',
        'keep the composition the seed has at this size',
        (body, { width, height }) => Object.assign(body, { seed_resize_from_w: width, seed_resize_from_h: height }),
        size,
      ),
    ],
  },
  {
    title: 'From a picture (img2img, inpaint):',
    options: [
      option<readonly string[]>(
        '-i, --init <file>',
        'picture to start from; repeatable',
        (body, files) => Object.assign(body, { init_images: files.map(pictureText) }),
        collect,
      ),
      option(
        '-d, --denoise <strength>',
        'how much is painted anew, from 0 to 1 (default: 0.7)',
        field('denoising_strength'),
        decimal,
      ),
      {
        flags: '--resize <mode>',
        description: 'how the picture is brought to size',
        choices: ['stretch', 'crop', 'fill', 'latent'],
        write: (body: RequestBody, mode: string) => {
          body.resize_mode = ['stretch', 'crop', 'fill', 'latent'].indexOf(mode)
        },
      },
      option<string>('--mask <file>', 'white is painted anew', (body, file) =>
        Object.assign(body, { mask: pictureText(file) }),
      ),
      option('--mask-blur <px>', 'softness of the mask (default: 4)', field('mask_blur'), wholeNumber),
      option('--invert-mask', 'paint what is black instead', (body: RequestBody) => {
        body.inpainting_mask_invert = 1
      }),
      {
        flags: '--mask-content <kind>',
        description: 'what the masked area starts from (default: original)',
        choices: ['fill', 'original', 'noise', 'nothing'],
        write: (body: RequestBody, kind: string) => {
          body.inpainting_fill = ['fill', 'original', 'noise', 'nothing'].indexOf(kind)
        },
      },
      option(
        '--only-masked [padding]',
        'paint the masked area at full size',
        (body: RequestBody, padding: number | true) =>
          Object.assign(body, {
            inpaint_full_res: true,
            inpaint_full_res_padding: padding === true ? defaultPadding : padding,
          }),
        wholeNumber,
      ),
      option('--soft', 'soft inpainting: blend by the mask and by how much has changed', (body: RequestBody) => {
        body.alwayson_scripts = {
          ...(body.alwayson_scripts as object | undefined),
          'soft inpainting': { args: [true] },
        }
      }),
    ],
  },
  {
    title: 'Hires fix:',
    options: [
      option(
        '--hires [scale]',
        'paint small first, then enlarge and refine (default factor 2)',
        (body: RequestBody, scale: number | true) =>
          Object.assign(body, { enable_hr: true, hr_scale: scale === true ? 2 : scale }),
        decimal,
      ),
      option<Size>(
        '--hires-size <WxH>',
        'enlarge to this size instead of by a factor',
        (body, { width, height }) => Object.assign(body, { enable_hr: true, hr_resize_x: width, hr_resize_y: height }),
        size,
      ),
      option('--hires-upscaler <name>', '"Latent" (default), "Lanczos" or an ESRGAN model', field('hr_upscaler')),
      option(
        '--hires-steps <n>',
        'steps of the second pass (default: as many as of the first)',
        field('hr_second_pass_steps'),
        wholeNumber,
      ),
      option('--hires-prompt <text>', 'prompt of the second pass', field('hr_prompt')),
      option('--hires-negative <text>', 'what the second pass should not show', field('hr_negative_prompt')),
      option('--hires-sampler <name>', 'stepping rule of the second pass', field('hr_sampler_name')),
      option('--hires-scheduler <name>', 'spacing of its noise levels', field('hr_scheduler')),
      option('--hires-model <name>', 'checkpoint of the second pass', field('hr_checkpoint_name')),
    ],
  },
  {
    title: 'Anything else:',
    options: [
      option<readonly Assignment[]>(
        '--set <key=value>',
        'any field of an A1111 request; repeatable',
        (body, list) => {
          for (const { key, value } of list) body[key] = value
        },
        assignment,
      ),
      option<readonly Assignment[]>(
        '--option <key=value>',
        'any A1111 setting, for this job alone; repeatable',
        (body, list) => {
          for (const { key, value } of list) setting(key)(body, value)
        },
        assignment,
      ),
    ],
  },
]

/** Adds every recipe option to a command, in titled groups. */
export function addRecipeOptions(command: Command): Command {
  for (const { title, options } of groups) {
    for (const { flags, description, parse, choices } of options) {
      const added = new Option(flags, description).helpGroup(title)
      if (parse) added.argParser(parse as (text: string, before: unknown) => unknown)
      if (choices) added.choices(choices)
      command.addOption(added)
    }
  }
  return command
}

/** Writes the options a user gave into a request body, over what it holds already. */
export function writeRecipeOptions(body: RequestBody, given: Readonly<Record<string, unknown>>): RequestBody {
  for (const { options } of groups) {
    for (const { flags, write } of options) {
      const option = new Option(flags)
      const value = given[option.attributeName()]
      // Unless it is given, the value of --no-something is true.
      if (value !== undefined && !(option.negate && value === true)) write(body, value as never)
    }
  }
  return body
}
