import { StudioError } from '../../errors.ts'
import { checkpointTitle } from '../../pipeline/findCheckpoint.ts'
import { unknown } from '../../pipeline/library.ts'
import type { Studio } from '../../pipeline/studio.ts'
import { allDefaults, isOption, overrideOptions } from '../../pipeline/wire/options.ts'
import { ReferenceFailure } from './errors.ts'

/** Options that only the file may change: they guard the server. */
const guarded: ReadonlySet<string> = new Set(['api_enable_requests', 'api_forbid_local_requests', 'api_useragent'])

/** Options that the reference's own list leaves out: those of extensions that came with it, and one of long ago. */
const untold: ReadonlySet<string> = new Set([
  ...['SCUNET_tile', 'SCUNET_tile_overlap', 'SWIN_tile', 'SWIN_tile_overlap', 'SWIN_torch_compile'],
  ...['filter_nsfw', 'ldsr_cached', 'ldsr_steps', 'hypertile_enable_unet', 'hypertile_enable_unet_secondpass'],
  ...['hypertile_enable_vae', 'hypertile_max_depth_unet', 'hypertile_max_depth_vae', 'hypertile_max_tile_unet'],
  ...['hypertile_max_tile_vae', 'hypertile_swap_size_unet', 'hypertile_swap_size_vae'],
])

/** The options as A1111's API shows and sets them, and those that a request left behind in memory. */
export class ServerOptions {
  readonly #studio: Studio
  readonly #isLenient: boolean
  #leftBehind: Readonly<Record<string, unknown>> = {}

  constructor(studio: Studio, isLenient: boolean) {
    this.#studio = studio
    this.#isLenient = isLenient
  }

  /** Every option: as set, or by default. */
  all(): Record<string, unknown> {
    const { optionsFile, library } = this.#studio
    optionsFile.refresh()
    const known = Object.entries({ ...optionsFile.config, ...this.#leftBehind }).filter(([key]) => isOption(key))
    const options: Record<string, unknown> = { ...allDefaults, ...Object.fromEntries(known) }
    const wanted = options.sd_model_checkpoint
    const checkpoint = library.chosenCheckpoint(typeof wanted === 'string' ? wanted : '')
    const told = Object.entries(options).filter(([key]) => !untold.has(key))
    return {
      ...Object.fromEntries(told),
      sd_model_checkpoint: checkpoint ? checkpointTitle(checkpoint) : wanted,
      sd_checkpoint_hash: checkpoint?.sha256 ?? '',
    }
  }

  /** One option: as set, or by default. */
  get(key: string): unknown {
    const { config } = this.#studio.optionsFile
    if (Object.hasOwn(this.#leftBehind, key)) return this.#leftBehind[key]
    return Object.hasOwn(config, key) ? config[key] : allDefaults[key]
  }

  /** Sets options for good; `floats` are those that the request spelled as floats. */
  set(values: Readonly<Record<string, unknown>>, floats: ReadonlySet<string>): void {
    const { optionsFile, library } = this.#studio
    const { sd_model_checkpoint: checkpoint } = values
    if (typeof checkpoint === 'string' && !library.findCheckpoint(checkpoint)) {
      if (this.#isLenient) {
        throw new ReferenceFailure(500, { error: 'RuntimeError', errors: `model '${checkpoint}' not found` })
      }
      throw unknown('sd_model_checkpoint', 'checkpoint', checkpoint, library.checkpoints())
    }
    const stranger = Object.keys(values).find((key) => !isOption(key))
    if (stranger !== undefined) {
      if (this.#isLenient) throw new ReferenceFailure(500, { error: 'KeyError', errors: `'${stranger}'` })
      throw new StudioError('unknown-name', `${stranger}: there is no option of this name`, { field: stranger })
    }
    const wanted = Object.fromEntries(Object.entries(values).filter(([key]) => !guarded.has(key)))
    try {
      overrideOptions(optionsFile.options, wanted)
    } catch (error) {
      throw withoutPrefix(error)
    }
    optionsFile.set(wanted, floats)
    const set = new Set(Object.keys(wanted))
    this.#leftBehind = Object.fromEntries(Object.entries(this.#leftBehind).filter(([key]) => !set.has(key)))
  }

  /** Keeps what a request overrides and does not restore; it is forgotten with the process. */
  leaveBehind(overrides: Readonly<Record<string, unknown>>): void {
    this.#leftBehind = { ...this.#leftBehind, ...overrides }
  }

  /** A request's overrides with those that earlier ones left behind under them. */
  overrides(own: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return { ...this.#leftBehind, ...own }
  }
}

/** An error about an override as one about the option itself. */
function withoutPrefix(error: unknown): unknown {
  if (!(error instanceof StudioError) || error.field === undefined) return error
  const bare = (text: string) => text.replaceAll('override_settings.', '')
  return new StudioError(error.code, bare(error.message), { cause: error, field: bare(error.field) })
}
