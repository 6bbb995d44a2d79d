import { StudioError } from '../errors.ts'
import { strip, wordClass } from './characters.ts'

/** A tag `<kind:arg:arg:name=value>`. */
export interface ExtraNetwork {
  readonly kind: string
  readonly args: readonly string[]
  /** Arguments with exactly one `=`. */
  readonly named: ReadonlyMap<string, string>
}

/** A LoRA and how strongly it acts where. */
export interface LoraTag {
  readonly name: string
  readonly textEncoder: number
  readonly unet: number
  /** Cuts the network to this rank. */
  readonly dyn: number | undefined
  /** `lbw=`: weights by block, as the LoRA Block Weight extension writes them. */
  readonly blockWeights: string | undefined
}

const opener = new RegExp(`<([${wordClass}]+):`, 'gu')

/** Takes the tags `<word:…>` out of a prompt. A tag reaches to the next `>` and is not empty. */
export function parseExtraNetworks(prompt: string): {
  readonly text: string
  readonly networks: readonly ExtraNetwork[]
} {
  const networks: ExtraNetwork[] = []
  let text = ''
  let from = 0
  for (const { 0: opening, 1: kind = '', index } of prompt.matchAll(opener)) {
    // Inside a tag another may seem to open.
    if (index < from) continue
    const bodyAt = index + opening.length
    const end = prompt.indexOf('>', bodyAt)
    if (end < 0) break
    if (end === bodyAt) continue
    networks.push(readArguments(kind, prompt.slice(bodyAt, end)))
    text += prompt.slice(from, index)
    from = end + 1
  }
  return { text: text + prompt.slice(from), networks }
}

function readArguments(kind: string, body: string): ExtraNetwork {
  const args: string[] = []
  const named = new Map<string, string>()
  for (const item of body.split(':')) {
    const [name = '', value, more] = item.split('=')
    if (value !== undefined && more === undefined) named.set(name, value)
    else args.push(item)
  }
  return { kind, args, named }
}

/**
 * The LoRAs among tags, `<lora:name:te:unet:dyn>` and its other name `lyco`: the text encoder's strength is 1
 * unless given, the UNet's is the text encoder's. Throws on a strength that is no number; the reference then
 * goes on without any LoRA.
 */
export function loraTags(networks: readonly ExtraNetwork[]): readonly LoraTag[] {
  return networks
    .filter(({ kind }) => kind === 'lora' || kind === 'lyco')
    .map(({ kind, args, named }) => {
      const [name = '', te, unet, dyn] = args
      const numberOf = (what: string, text: string) => toNumber(`<${kind}:${name}>: ${what}`, text)
      const textEncoder = numberOf('te', named.get('te') ?? te ?? '1')
      const unetText = named.get('unet') ?? unet
      const dynText = named.get('dyn') ?? dyn
      return {
        name,
        textEncoder,
        unet: unetText === undefined ? textEncoder : numberOf('unet', unetText),
        dyn: dynText === undefined ? undefined : Math.trunc(numberOf('dyn', dynText)),
        blockWeights: named.get('lbw'),
      }
    })
}

/** The hypernetworks among tags, `<hypernet:name:strength>`; the strength is 1 unless given. */
export function hypernetworkTags(
  networks: readonly ExtraNetwork[],
): readonly { readonly name: string; readonly strength: number }[] {
  return networks
    .filter(({ kind }) => kind === 'hypernet')
    .map(({ args: [name = '', strength = '1'] }) => ({
      name,
      strength: toNumber(`<hypernet:${name}>: strength`, strength),
    }))
}

function toNumber(where: string, text: string): number {
  const value = strip(text) === '' ? Number.NaN : Number(strip(text))
  if (Number.isFinite(value)) return value
  throw new StudioError('bad-request', `${where} is "${text}", expected a number`, { field: 'prompt' })
}
