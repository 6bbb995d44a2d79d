import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { StudioError } from '../../errors.ts'
import { badFile } from '../../files/badFile.ts'
import { readPlainJson } from '../../files/plainJson.ts'
import { readSmallText } from '../../files/smallText.ts'
import { parseCsv } from '../../text/csv.ts'

/** What a tagger's word is for; models name their categories in several ways. */
export type LabelCategory = 'rating' | 'general' | 'character' | 'copyright' | 'artist' | 'meta' | 'quality' | 'model'

export interface Label {
  readonly tag: string
  readonly category: LabelCategory
}

/** The families of taggers, told by the list of words beside the model. */
export type TaggerFamily = 'wd' | 'cl' | 'deepdanbooru'

export interface Labels {
  readonly family: TaggerFamily
  /** In the order of the model's outputs. */
  readonly labels: readonly Label[]
}

const largestList = 64 << 20

/** The words of a tagger, from the file that its publisher put beside the model. */
export function readLabels(folder: string): Labels {
  const [csv, mapping, list] = ['selected_tags.csv', 'tag_mapping.json', 'tags.txt'].map((name) => join(folder, name))
  if (existsSync(csv!)) return { family: 'wd', labels: wdLabels(csv!) }
  if (existsSync(mapping!)) return { family: 'cl', labels: clLabels(mapping!) }
  if (existsSync(list!)) return { family: 'deepdanbooru', labels: plainLabels(list!) }
  if (existsSync(join(folder, 'vocab.txt'))) {
    throw new StudioError(
      'unsupported',
      `${folder}: looks like an exported BLIP or another model that writes sentences; expected BLIP’s own .pth or .safetensors, or a tagger (WD14, CL, DeepDanbooru)`,
      { field: folder },
    )
  }
  throw new StudioError(
    'missing-file',
    `${folder}: expected the tagger’s words beside it: selected_tags.csv (WD14), tag_mapping.json (CL) or tags.txt (DeepDanbooru)`,
    { field: folder },
  )
}

/** Danbooru's numbers of categories, and WD14's 9 for ratings. */
const numbered: Readonly<Record<string, LabelCategory>> = {
  '0': 'general',
  '1': 'artist',
  '3': 'copyright',
  '4': 'character',
  '5': 'meta',
  '9': 'rating',
}

function wdLabels(path: string): Label[] {
  const [head = [], ...rows] = parseCsv(readSmallText(path, largestList))
  const [name, category] = [head.indexOf('name'), head.indexOf('category')]
  if (name < 0 || category < 0) throw badFile(path, 'expected the columns name and category')
  return rows.map((row, i) => {
    const number = row[category]
    const known = number === undefined || !Object.hasOwn(numbered, number) ? undefined : numbered[number]
    if (known === undefined || !row[name]) throw badFile(path, `row ${i + 2}: category "${number}" is not known`)
    return { tag: row[name], category: known }
  })
}

const categories: readonly LabelCategory[] = [
  'rating',
  'general',
  'character',
  'copyright',
  'artist',
  'meta',
  'quality',
  'model',
]

/** {"0": {"tag": …, "category": …}} or {"idx_to_tag": {"0": …}, "tag_to_category": {…}}. */
function clLabels(path: string): Label[] {
  const json = readPlainJson(path)
  const names = json.get('idx_to_tag')
  const kinds = json.get('tag_to_category')
  const entries = names instanceof Map ? names : json
  return Array.from({ length: entries.size }, (_, i) => {
    const entry = entries.get(String(i))
    const tag = entry instanceof Map ? entry.get('tag') : entry
    const kind =
      entry instanceof Map ? entry.get('category') : kinds instanceof Map ? kinds.get(String(tag)) : undefined
    const category = categories.find((each) => each === String(kind).toLowerCase())
    if (typeof tag !== 'string' || category === undefined)
      throw badFile(path, `entry ${i}: expected a tag and its category`)
    return { tag, category }
  })
}

function plainLabels(path: string): Label[] {
  return readSmallText(path, largestList)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((tag) => ({ tag, category: tag.startsWith('rating:') ? 'rating' : 'general' }))
}
