import { existsSync, readFileSync, statSync } from 'node:fs'
import { StudioError } from '../errors.ts'
import { replaceFile } from '../files/replaceFile.ts'
import { floatLiterals } from './wire/floatLiterals.ts'
import { type Options, parseOptions } from './wire/options.ts'

/** The options of a data folder as its config.json has them. */
interface Reading {
  /** Size and time of the file, by which a change is noticed; empty where there is none. */
  readonly stamp: string
  readonly config: Readonly<Record<string, unknown>>
  readonly options: Options
  readonly floats: ReadonlySet<string>
}

/** A config.json: read when it has changed, kept as it is but for what is set. */
export class OptionsFile {
  readonly path: string
  #reading: Reading

  constructor(path: string) {
    this.path = path
    this.#reading = read(path, stampOf(path))
  }

  /** Options that this program acts on. */
  get options(): Options {
    return this.#reading.options
  }

  /** Everything the file holds, options of other programs included. */
  get config(): Readonly<Record<string, unknown>> {
    return this.#reading.config
  }

  /** Options whose whole numbers the file has as floats: infotexts repeat them so. */
  get floats(): ReadonlySet<string> {
    return this.#reading.floats
  }

  /** Takes over what others have written since. */
  refresh(): void {
    const stamp = stampOf(this.path)
    if (stamp !== this.#reading.stamp) this.#reading = read(this.path, stamp)
  }

  /** Sets options, in the file too: what it holds besides stays. `floats` are those that were spelled as floats. */
  set(values: Readonly<Record<string, unknown>>, floats: ReadonlySet<string> = new Set()): void {
    this.refresh()
    const { config: before, floats: spelled } = this.#reading
    const config = { ...before, ...values }
    parseOptions(config)
    const isFloat = (key: string) => (Object.hasOwn(values, key) ? floats : spelled).has(key)
    replaceFile(this.path, [new TextEncoder().encode(formatted(config, isFloat))])
    this.#reading = read(this.path, stampOf(this.path))
  }
}

/** A config.json as A1111 lays it out, whole numbers spelled as floats where they were. */
function formatted(config: Readonly<Record<string, unknown>>, isFloat: (key: string) => boolean): string {
  const lines = Object.entries(config).map(([key, value]) => {
    const text = JSON.stringify(value, null, 4).replaceAll('\n', '\n    ')
    return `    ${JSON.stringify(key)}: ${text}${Number.isInteger(value) && isFloat(key) ? '.0' : ''}`
  })
  return `{\n${lines.join(',\n')}\n}\n`
}

function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats ? `${stats.size} ${stats.mtimeMs} ${stats.ino}` : ''
}

function read(path: string, stamp: string): Reading {
  if (!existsSync(path)) return { stamp, config: {}, options: parseOptions({}), floats: new Set() }
  const text = readFileSync(path, 'utf8')
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch (cause) {
    throw new StudioError('bad-file', `${path}: is not JSON`, { cause, field: 'config.json' })
  }
  if (typeof config === 'object' && config !== null && !Array.isArray(config)) {
    return { stamp, config: { ...config }, options: parseOptions({ ...config }), floats: floatLiterals(text) }
  }
  throw new StudioError('bad-file', `${path}: expected an object of options`, { field: 'config.json' })
}
