import { hashOf } from '../draws.ts'
import type { Subject } from './subjects.ts'

/** Words for colours that names of emoji contain. */
const colors = new Set([
  'red',
  'orange',
  'yellow',
  'green',
  'teal',
  'blue',
  'purple',
  'pink',
  'brown',
  'black',
  'white',
])

/** What people call some subjects instead of their names. */
const everydayNames: ReadonlyMap<string, string> = new Map([
  ['automobile', 'car'],
  ['baby chick', 'chick'],
  ['beer mug', 'beer'],
  ['cheese wedge', 'cheese'],
  ['closed book', 'book'],
  ['crescent moon', 'moon'],
  ['deciduous tree', 'tree'],
  ['ear of corn', 'corn'],
  ['evergreen tree', 'fir tree'],
  ['fire engine', 'fire truck'],
  ['four leaf clover', 'clover'],
  ['french fries', 'fries'],
  ['high-heeled shoe', 'shoe'],
  ['honeybee', 'bee'],
  ['hot beverage', 'coffee'],
  ['hot pepper', 'chili'],
  ['jack-o-lantern', 'pumpkin'],
  ['lady beetle', 'ladybug'],
  ['mobile phone', 'phone'],
  ['t-shirt', 'shirt'],
  ['tangerine', 'orange'],
  ['top hat', 'hat'],
  ['wine glass', 'wine'],
  ['wrapped gift', 'gift'],
])

/** A subject's everyday name, or its own without its colour, and without "face" where the head stands for the whole animal. */
export function nounOf({ label, group }: Pick<Subject, 'label' | 'group'>): string {
  const everyday = everydayNames.get(label.toLowerCase())
  if (everyday !== undefined) return everyday
  const words = label.toLowerCase().split(' ')
  const plain = words.length > 1 && colors.has(words[0]!) ? words.slice(1) : words
  const isHead = group === 'animals-nature' && plain.length > 1 && plain.at(-1) === 'face'
  return (isHead ? plain.slice(0, -1) : plain).join(' ')
}

/** "a" or "an" before words that count one thing; nothing before plurals. */
export function withArticle(words: string): string {
  const isPlural = /(?:[^siu]s|ies)$/.test(words.split(' ').at(-1)!)
  if (isPlural) return words
  return `${/^(?:[aeio]|u(?!n[iw]|ti|se|k))/.test(words) ? 'an' : 'a'} ${words}`
}

/** One in so many pairs of a colour and a thing. */
const heldOutOf = 10

/** Whether a thing is never shown in this colour during training, so that a model can be asked for what it never saw. */
export function isHeldOutPair(color: string, noun: string): boolean {
  return hashOf(`${color} ${noun}`) % heldOutOf === 0
}
