import type { Draws } from '../draws.ts'
import { isCaptioned, type TrainingRow } from '../trainingRow.ts'
import { groundWords } from './ground.ts'
import { hueWord, typicalHues } from './hue.ts'
import { nounOf, withArticle } from './nouns.ts'

/** One thing in a picture, as far as captions tell. */
export interface Part {
  readonly label: string
  readonly noun: string
  readonly tags: readonly string[]
  /** What its colour is called, if anything. */
  readonly color: string | undefined
  /** Its hue is not the one it was drawn with: captions have to say so. */
  readonly isTurned: boolean
  readonly isSmall: boolean
}

/** What a picture shows, from left to right. */
export interface Scene {
  readonly parts: readonly Part[]
  readonly style: string
  /** What its ground is called; undefined where it is white. */
  readonly ground: string | undefined
}

/** A picture that came with its captions. */
export interface CaptionedContent {
  readonly captions: readonly string[]
}

/** What captions are made of. */
export type Content = Scene | CaptionedContent

/** A caption of a scene in one of many phrasings, or one of those a picture came with. Colours that were changed, small sizes and grounds are always told. */
export function captionOf(content: Content, draws: Draws): string {
  if ('captions' in content) return draws.pick(content.captions)
  const { parts, style, ground } = content
  const names = parts.map((part) => nameOf(part, draws))
  const bare = names.length === 1 ? names[0]! : undefined
  const subject = joined(names.map(withArticle), draws)
  const text = draws.pick([
    subject,
    subject,
    subject,
    bare ?? subject,
    `${style} of ${subject}`,
    `${style} of ${subject}`,
    `${subject}, ${style}`,
    bare === undefined ? `${style}, ${subject}` : `${bare} ${style}`,
    bare === undefined ? subject : [bare, ...someOf(parts[0]!.tags, draws)].join(', '),
  ])
  const told = ground ?? (draws.chance(0.1) ? 'white' : undefined)
  if (told === undefined) return text
  return text + draws.pick([` on ${withArticle(told)} background`, `, ${told} background`, ` on ${told}`])
}

function nameOf({ label, noun, color, isTurned, isSmall }: Part, draws: Draws): string {
  const isColored = color !== undefined && (isTurned || draws.chance(0.3))
  const name = isColored ? `${color} ${noun}` : draws.chance(0.4) ? noun : label.toLowerCase()
  return isSmall ? `${draws.pick(['small', 'tiny'])} ${name}` : name
}

function joined([first, second]: readonly string[], draws: Draws): string {
  if (second === undefined) return first!
  return draws.pick([
    `${first} and ${second}`,
    `${first} and ${second}`,
    `${first} next to ${second}`,
    `${first} beside ${second}`,
    `${first} on the left and ${second} on the right`,
  ])
}

function someOf(tags: readonly string[], draws: Draws): readonly string[] {
  if (tags.length === 0) return []
  return [...new Set([draws.pick(tags), draws.pick(tags)])]
}

/** Every word that captions of these drawings may contain, and a few that people use beside them. */
export function captionWords(rows: readonly TrainingRow[]): ReadonlySet<string> {
  const texts = [
    'a an the and of on in at with next to beside left right small tiny big background picture drawing icon emoji ,',
    ...typicalHues.keys(),
    ...groundWords,
    hueWord(0),
    ...rows.flatMap((row) => (isCaptioned(row) ? row.captions : [row.label, nounOf(row), row.style, ...row.tags])),
  ]
  return new Set(texts.flatMap((text) => text.toLowerCase().split(/\s+/)))
}
