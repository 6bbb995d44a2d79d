import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { Command } from 'commander'
import { StudioError } from '../errors.ts'
import { FileHashes, oldModelHash, sha256, shortHashLength } from '../files/hash.ts'
import { openWeights } from '../files/openWeights.ts'
import { readSidecars } from '../files/sidecars.ts'
import type { WeightFile } from '../files/weights.ts'
import { decodePicture, pictureFormat } from '../image/decode.ts'
import { parseInfotext } from '../image/parseInfotext.ts'
import { readInfotext } from '../image/readInfotext.ts'
import { type Inspection, inspectWeights } from '../models/inspect.ts'
import { readBytes } from './readBytes.ts'

interface InspectOptions {
  readonly json?: boolean
  readonly hash: boolean
}

/** `inspect`: what a file is, whatever it is. */
export function inspectCommand(): Command {
  return new Command('inspect')
    .description('Say what a file is: a checkpoint, LoRA, embedding, VAE, upscaler or picture.')
    .argument('<file>', 'the file, or a folder as diffusers writes it')
    .option('--json', 'print everything as JSON')
    .option('--no-hash', 'skip the hashes, which read the whole file')
    .addHelpText('after', '\nExamples:\n  athanor inspect model.safetensors\n  athanor inspect picture.png --json')
    .action(async (path: string, { json, hash }: InspectOptions) => {
      const report = isPicture(path) ? await inspectPicture(path) : await inspectFile(path, hash)
      process.stdout.write(json ? `${JSON.stringify(report, plainMaps, 2)}\n` : inWords(report))
    })
}

type Report = PictureReport | WeightsReport

interface PictureReport {
  readonly file: string
  readonly kind: 'picture'
  readonly format: string
  readonly width: number
  readonly height: number
  readonly infotext: string | undefined
  /** The infotext's settings, as names and values. */
  readonly parameters: ReadonlyMap<string, unknown>
  readonly items: ReadonlyMap<string, string>
}

interface WeightsReport extends Inspection {
  readonly file: string
  readonly hashes: Readonly<Record<string, string>>
}

function isPicture(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) throw new StudioError('missing-file', `${path}: there is no such file`, { field: path })
  if (stats.isDirectory()) return false
  const start = Buffer.alloc(64)
  const file = openSync(path, 'r')
  try {
    return pictureFormat(start.subarray(0, readSync(file, start))) !== undefined
  } finally {
    closeSync(file)
  }
}

async function inspectPicture(path: string): Promise<PictureReport> {
  const bytes = readBytes(path)
  const { infotext, items } = await readInfotext(bytes)
  const { width, height } = await decodePicture(bytes)
  const format = pictureFormat(bytes)!
  const parameters = infotext === undefined ? new Map() : parseInfotext(infotext).values
  return { file: path, kind: 'picture', format, width, height, infotext, parameters, items }
}

async function inspectFile(path: string, withHashes: boolean): Promise<WeightsReport> {
  const file = openWeights(path)
  const report = inspectWeights(file, readSidecars(path))
  return { file: path, ...report, hashes: withHashes ? await hashesOf(file, report) : {} }
}

async function hashesOf(file: WeightFile, { kind }: Inspection): Promise<Record<string, string>> {
  if (file.format === 'diffusers') return {}
  const whole = await sha256(file.path)
  const hashes: Record<string, string> = { sha256: whole }
  if (kind === 'checkpoint') {
    hashes['model hash'] = whole.slice(0, shortHashLength.checkpoint)
    hashes['old model hash'] = oldModelHash(file.path)
  }
  if (kind === 'lora') {
    const network = await new FileHashes('').network(file)
    hashes['LoRA hash'] = network.slice(0, shortHashLength.lora)
  }
  return hashes
}

function plainMaps(_: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value
}

function inWords(report: Report): string {
  return 'parameters' in report ? pictureInWords(report) : weightsInWords(report)
}

function pictureInWords({ file, format, width, height, infotext, items }: PictureReport): string {
  const lines = [`${file}: a ${format} picture of ${width}x${height}`]
  lines.push(infotext === undefined ? 'It does not say how it was made.' : `\n${infotext}`)
  for (const [key, text] of items) lines.push(`\n[${key}]\n${text}`)
  return `${lines.join('\n')}\n`
}

function weightsInWords(report: WeightsReport): string {
  const { file, architecture, format, total, types, groups, hashes, metadata, network, embedding, warnings } = report
  const rows: [string, string][] = [
    ['what', architecture],
    ['format', format],
    ['size', `${total.tensors} tensors, ${millions(total.parameters)} parameters, ${megabytes(total.sizeBytes)}`],
    ['types', [...types].map(([type, { tensors }]) => `${type} ${tensors}`).join(', ')],
    [
      'parts',
      [...groups]
        .slice(0, 8)
        .map(([name, amount]) => `${name} ${millions(amount.parameters)}`)
        .join(', '),
    ],
    ...Object.entries(hashes),
  ]
  if (report.nativeSize !== undefined) rows.push(['made for', `pictures of ${report.nativeSize}x${report.nativeSize}`])
  if (network) {
    rows.push(['families', network.families.join(', ')])
    rows.push(['layers', [...network.layers].map(([part, count]) => `${part} ${count}`).join(', ')])
    rows.push(['ranks', [...network.ranks].map(([rank, count]) => `${rank} (${count} layers)`).join(', ')])
    if (network.base !== undefined) rows.push(['made for', network.base])
  }
  if (embedding) {
    const { vectors, width, fits, step, checkpoint } = embedding
    rows.push(['vectors', `${vectors} of ${width}, for ${fits}`])
    if (step !== undefined) rows.push(['steps', String(step)])
    if (checkpoint !== undefined) rows.push(['learnt on', checkpoint])
  }
  const shown = rows.filter(([, text]) => text !== '').map(([name, text]) => `  ${name.padEnd(16)}${text}`)
  const notes = [...metadata].map(([key, text]) => `  ${key.padEnd(32)}${shorten(text)}`)
  return [
    file,
    ...shown,
    ...(notes.length > 0 ? ['metadata', ...notes] : []),
    ...warnings.map((warning) => `warning: ${warning}`),
    '',
  ].join('\n')
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ')
  return line.length <= 90 ? line : `${line.slice(0, 87)}...`
}

const millions = (count: number) => (count < 1e5 ? String(count) : `${(count / 1e6).toFixed(1)} M`)
const megabytes = (bytes: number) => (bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`)
