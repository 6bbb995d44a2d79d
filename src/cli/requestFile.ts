import { dirname, resolve } from 'node:path'
import { StudioError } from '../errors.ts'
import { floatLiterals } from '../pipeline/wire/floatLiterals.ts'
import type { Endpoint } from '../pipeline/wire/request.ts'
import { readBytes } from './readBytes.ts'

/** A request body as A1111's txt2img and img2img take it; the pipeline checks it. */
export type RequestBody = Record<string, unknown>

/** A request and the endpoint it is meant for. */
export interface CliRequest {
  readonly endpoint: Endpoint
  readonly body: RequestBody
  /** Paths of whole numbers that were written as floats: `floatLiterals`. */
  readonly floats?: ReadonlySet<string>
}

/**
 * Reads an A1111 txt2img or img2img request body from a JSON file; one with `init_images` is img2img. The body may
 * also lie in a recording, `{ "endpoint": …, "request": … }`, and pictures may be `@file:` paths from the file's folder.
 */
export function readRequestFile(path: string): CliRequest {
  const { value, floats } = parse(path)
  const content = objectOf(value, path)
  const isRecording = typeof content.request === 'object' && typeof content.endpoint === 'string'
  const body = isRecording ? objectOf(content.request, path) : content
  const isImg2Img = isRecording ? String(content.endpoint).endsWith('img2img') : Array.isArray(body.init_images)
  return {
    endpoint: isImg2Img ? 'img2img' : 'txt2img',
    body: withFiles(body, dirname(resolve(path))),
    floats: new Set([...floats].map((place) => (isRecording ? place.replace(/^request\./, '') : place))),
  }
}

/** A picture file as the base64 text that requests carry. */
export function pictureText(path: string): string {
  return readBytes(path).toString('base64')
}

function parse(path: string): { value: unknown; floats: ReadonlySet<string> } {
  try {
    const text = readBytes(path).toString('utf8')
    return { value: JSON.parse(text), floats: floatLiterals(text) }
  } catch (cause) {
    if (cause instanceof StudioError) throw cause
    throw new StudioError('bad-file', `${path}: is not JSON: ${(cause as Error).message}`, { cause, field: path })
  }
}

function objectOf(value: unknown, path: string): RequestBody {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as RequestBody
  throw new StudioError('bad-file', `${path}: expected an object with the fields of a request`, { field: path })
}

function withFiles(body: RequestBody, folder: string): RequestBody {
  const resolved = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolved)
    if (typeof value !== 'string' || !value.startsWith('@file:')) return value
    return pictureText(resolve(folder, value.slice('@file:'.length)))
  }
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, resolved(value)]))
}
