import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseDocument } from 'yaml'
import { badFile } from './badFile.ts'
import { readPlainJson } from './plainJson.ts'
import { toPlainValue } from './plainValue.ts'
import { readSmallText } from './smallText.ts'
import type { PlainMap } from './weights.ts'

/** What lies beside a checkpoint and says of it what its tensors cannot. */
export interface Sidecars {
  /** The web UI's `<checkpoint>.yaml`: widths, what is predicted, the text encoder's class. */
  readonly yaml?: PlainMap
  /** The configuration of the text encoder that the yaml names, where it lies in the same folder. */
  readonly textModel?: PlainMap
}

/** The web UI's own are a twentieth of that. */
const maxYamlBytes = 2 ** 16
const maxYamlDepth = 16
const maxYamlColumn = 100
const maxYamlColons = 64

/**
 * Reads `<name>.yaml` beside the checkpoint `<name>.<anything>`, and the text encoder it names: `<encoder>.json`
 * as OpenCLIP keeps them, or `<encoder>/config.json` as Transformers does. What is not there is left out.
 */
export function readSidecars(checkpoint: string): Sidecars {
  const path = checkpoint.replace(/\.[^./\\]+$/, '.yaml')
  if (path === checkpoint || !existsSync(path)) return {}
  const yaml = readYaml(path)
  const encoder = textEncoderName(yaml)
  if (encoder === undefined) return { yaml }
  const places = [join(dirname(path), `${encoder}.json`), join(dirname(path), encoder, 'config.json')]
  const place = places.find((candidate) => existsSync(candidate))
  return place === undefined ? { yaml } : { yaml, textModel: readPlainJson(place) }
}

function readYaml(path: string): PlainMap {
  const fail = (problem: string, cause?: unknown): never => {
    throw badFile(path, problem, cause)
  }
  const text = readSmallText(path, maxYamlBytes)
  if (!isShallow(text)) return fail("values nested deeper than in any model's configuration")

  // The core schema makes plain data only.
  const document = parseDocument(text, { schema: 'core', logLevel: 'error' })
  const [error] = document.errors
  if (error) return fail(`not YAML: ${error.message.split('\n')[0]}`, error)
  let parsed: unknown
  try {
    parsed = document.toJS({ maxAliasCount: 100 })
  } catch (cause) {
    return fail('references that grow without end', cause)
  }
  const plain = toPlainValue(parsed, fail)
  return plain instanceof Map ? plain : fail('a mapping is expected')
}

/**
 * Whether a YAML text is safe to parse: the parser is recursive, and deep nesting ends the process or takes forever.
 * Counted too strictly rather than too loosely: brackets in quotes count, keys that are not plain (`? `) never pass.
 */
function isShallow(text: string): boolean {
  let brackets = 0
  let colons = 0
  for (const line of text.split(/\r?\n/)) {
    // `a: a: a:` nests as well, on one line or within one pair of brackets.
    if (brackets === 0) colons = 0
    const start = /^[ \t]*(?:[-?:](?:[ \t]+|$))*/.exec(line)![0]
    if (start.length > maxYamlColumn || start.includes('?')) return false
    for (const character of line) {
      if (character === '[' || character === '{') brackets++
      if (character === ']' || character === '}') brackets = Math.max(0, brackets - 1)
      if (character === ':') colons++
      if (brackets > maxYamlDepth || colons > maxYamlColons) return false
    }
  }
  return true
}

/** A plain name under `cond_stage_config`; a path or a name with slashes is none of the files beside a checkpoint. */
function textEncoderName(yaml: PlainMap): string | undefined {
  let node: unknown = yaml
  for (const key of ['model', 'params', 'cond_stage_config', 'params'])
    node = node instanceof Map ? node.get(key) : undefined
  if (!(node instanceof Map)) return undefined
  const name: unknown = node.get('version') ?? node.get('arch')
  return typeof name === 'string' && /^[\w-][\w.-]*$/.test(name) ? name : undefined
}
