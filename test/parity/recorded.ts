import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Endpoint } from '../../src/pipeline/wire/request.ts'

/** Where the recorded results of the reference lie; README.md there tells how they came about. */
export const golden = fileURLToPath(new URL('../golden', import.meta.url))

/** One request to the reference and what it answered. */
export interface RecordedCase {
  readonly id: string
  readonly group: string
  readonly endpoint: Endpoint
  readonly checkpoint: string
  readonly requestPath: string
  readonly images: readonly { readonly file: string; readonly infotext: string }[]
  /** What the whole job told, which with scripts is not what its pictures tell one by one. */
  readonly infotexts: readonly string[]
  readonly seeds: readonly number[]
  readonly prompts: readonly string[]
  readonly indexOfFirstImage: number
  /** The reference failed. */
  readonly isError: boolean
}

interface IndexEntry {
  readonly group: string
  readonly endpoint: string
  readonly checkpoint: string
  readonly request: string
  readonly images?: RecordedCase['images']
  readonly infotexts?: readonly string[]
  readonly all_seeds?: readonly number[]
  readonly all_prompts?: readonly string[]
  readonly index_of_first_image?: number
  readonly error?: unknown
}

/** Every recorded case. */
export const cases: readonly RecordedCase[] = Object.entries(
  (JSON.parse(readFileSync(join(golden, 'index.json'), 'utf8')) as { cases: Record<string, IndexEntry> }).cases,
).map(([id, { group, endpoint, checkpoint, request, images = [], error, ...told }]) => ({
  id,
  group,
  endpoint: endpoint.endsWith('img2img') ? 'img2img' : 'txt2img',
  checkpoint,
  requestPath: request ?? `requests/${id.replaceAll('/', '__')}.json`,
  images,
  infotexts: told.infotexts ?? [],
  seeds: told.all_seeds ?? [],
  prompts: told.all_prompts ?? [],
  indexOfFirstImage: told.index_of_first_image ?? 0,
  isError: error !== undefined,
}))

/** Cases of some groups. */
export function casesOf(...groups: readonly string[]): readonly RecordedCase[] {
  return cases.filter(({ group }) => groups.includes(group))
}

/** The body of a case's request, its files as base64, on the checkpoint that was loaded at the time. */
export function requestOf({ requestPath, checkpoint }: RecordedCase): Record<string, unknown> {
  const read = (value: string) => readFileSync(join(golden, value.slice('@file:'.length))).toString('base64')
  const { request } = JSON.parse(readFileSync(join(golden, requestPath), 'utf8'), (_, value: unknown) =>
    typeof value === 'string' && value.startsWith('@file:') ? read(value) : value,
  ) as { request: Record<string, unknown> }
  return {
    ...request,
    override_settings: { sd_model_checkpoint: checkpoint, ...(request.override_settings as object) },
  }
}
