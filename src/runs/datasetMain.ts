// A process that works on a set of pictures: what to do comes through standard input, the answer goes to standard output.
import { cropSet } from '../dataset/crop/cropSet.ts'
import { usualWeights } from '../dataset/crop/focalPoint.ts'
import { openSet } from '../dataset/pictureSet.ts'
import { reportOn } from '../dataset/quality/report.ts'
import { tagSet } from '../dataset/tagging/tagSet.ts'
import { openWords } from '../dataset/tagging/words.ts'
import type { Captions } from '../dataset/tags/caption.ts'
import { readCaptions, saveCaptions } from '../dataset/tags/captionFiles.ts'
import {
  addTags,
  type CaptionEdit,
  dedupe,
  edited,
  plainCommas,
  prependTrigger,
  removeTags,
  replaceText,
  sortTags,
} from '../dataset/tags/edit.ts'
import { matching } from '../dataset/tags/filter.ts'
import { changes } from '../dataset/tags/history.ts'
import { adviseRemoval, type TagAdvice, withoutAdvised } from '../dataset/tags/methods.ts'
import { StudioError } from '../errors.ts'
import { clipOf, findEvaluator, openAnyEvaluator } from '../metrics/findEvaluator.ts'
import { openTokenizer } from '../pipeline/openTokenizer.ts'
import type { Errand, ErrandAnswer, Errands, TagEdit } from './datasetErrand.ts'

const parts: Buffer[] = []
for await (const part of process.stdin) parts.push(part as Buffer)
let told: ErrandAnswer
try {
  told = { answer: await answerOf(JSON.parse(Buffer.concat(parts).toString('utf8')) as Errand) }
} catch (error) {
  const { message } = error as Error
  const isKnown = error instanceof StudioError
  told = { error: { code: isKnown ? error.code : 'crashed', message, field: isKnown ? error.field : undefined } }
}
process.stdout.write(JSON.stringify(told))

async function answerOf({ kind, asked }: Errand): Promise<unknown> {
  if (kind === 'report') return report(asked)
  if (kind === 'crop') return crop(asked)
  if (kind === 'words') return findWords(asked)
  return editTags(asked)
}

async function report({
  folder,
  target,
  batch,
  trigger,
}: Errands['report']['asked']): Promise<Errands['report']['answer']> {
  const tokenizer = openTokenizer('clip')
  const told = await reportOn(openSet(folder), {
    target,
    batch,
    trigger,
    tokens: (text) => tokenizer.encode(text).length,
    judges: {},
  })
  return { ...told, pictures: told.pictures.map(({ thumbnail: _, ...rest }) => rest) }
}

async function crop({
  folder,
  out,
  mode,
  size,
  box,
  hasFlips,
}: Errands['crop']['asked']): Promise<Errands['crop']['answer']> {
  const cut =
    mode === 'focal'
      ? ({ kind: 'focal', size, weights: usualWeights } as const)
      : mode === 'box' && box
        ? ({ kind: 'box', box, size } as const)
        : ({ kind: 'center', size } as const)
  const { written, failed } = await cropSet(openSet(folder), { out, mode: cut, hasFlips, hasOverlays: false })
  return { written: written.length, failed }
}

async function findWords({
  folder,
  dataDir,
  conflict,
  ...asked
}: Errands['words']['asked']): Promise<Errands['words']['answer']> {
  const set = openSet(folder)
  const judge = findEvaluator(dataDir)
  const clip = judge === undefined ? undefined : async () => clipOf(await openAnyEvaluator(judge, asked.threads))
  const { tag, dispose } = await openWords({ ...asked, clip, enlargesSmall: false })
  const { written, passedOver, failed } = await tagSet(set, { tag, conflict }).finally(dispose)
  return { written, passedOver, failed }
}

function editTags({ folder, edits, filter, isSaved }: Errands['tags']['asked']): Errands['tags']['answer'] {
  const set = openSet(folder)
  const before = readCaptions(set)
  const advice: TagAdvice[] = []
  let after: Captions = before
  for (const edit of edits) {
    const names = matching(after, filter)
    if (edit.edit !== 'prune') {
      after = edited(after, names, editOf(edit, after))
      continue
    }
    const chosen = new Map([...after].filter(([name]) => names.has(name)))
    const { share, keep, drop, trigger } = edit
    const own = adviseRemoval(chosen, { leastShare: share, keep, drop, trigger })
    advice.push(...own)
    after = new Map([...after, ...withoutAdvised(chosen, own)])
    if (trigger !== undefined) after = edited(after, names, prependTrigger(trigger))
  }
  if (isSaved) saveCaptions(set, after)
  return { changes: changes(before, after), advice }
}

function editOf(edit: Exclude<TagEdit, { edit: 'prune' }>, captions: Captions): CaptionEdit {
  switch (edit.edit) {
    case 'add':
      return addTags(edit.tags, edit.at)
    case 'remove':
      return removeTags(edit.tags)
    case 'replace':
      return replaceText({ find: edit.find, replace: edit.replace, isRegex: edit.isRegex, scope: edit.in })
    case 'trigger':
      return prependTrigger(edit.word)
    case 'sort':
      return sortTags(captions, edit.by, edit.isDescending, edit.kept)
    case 'dedupe':
      return dedupe
    case 'commas':
      return plainCommas
  }
}
