import { Command, Option } from 'commander'
import { openSet } from '../dataset/pictureSet.ts'
import type { Captions } from '../dataset/tags/caption.ts'
import { readCaptions, saveCaptions, undoSave } from '../dataset/tags/captionFiles.ts'
import { categoryOf } from '../dataset/tags/categories.ts'
import { countTags } from '../dataset/tags/count.ts'
import {
  addTags,
  type CaptionEdit,
  dedupe,
  edited,
  exchangeTags,
  plainCommas,
  prependTrigger,
  removeTags,
  replaceText,
  type SortKey,
  sortTags,
  truncate,
} from '../dataset/tags/edit.ts'
import { matching, type TagFilter } from '../dataset/tags/filter.ts'
import { changes } from '../dataset/tags/history.ts'
import { adviseRemoval, usualShare, withoutAdvised } from '../dataset/tags/methods.ts'
import { openTokenizer } from '../pipeline/openTokenizer.ts'
import { captionExtension } from './datasetReport.ts'
import { decimal, wholeNumber } from './numbers.ts'

interface EditOptions {
  readonly has?: readonly string[]
  readonly hasAny?: readonly string[]
  readonly lacks?: readonly string[]
  readonly lacksAll?: readonly string[]
  readonly save?: boolean
  readonly captionExtension?: string
}

/** `dataset tags`: edits of the captions of many pictures, shown before they are saved. */
export function tagsCommand(): Command {
  const command = new Command('tags').description(
    'Edit the captions of a set. Every edit shows what it would change; --save writes it and keeps backups.',
  )
  command.addCommand(listCommand())
  command.addCommand(
    edit('add', 'Add tags.')
      .argument('<tags>', 'divided by commas', tagList)
      .option('--start', 'before the others')
      .action((folder: string, tags: readonly string[], options: EditOptions & { readonly start?: boolean }) =>
        run(folder, options, () => addTags(tags, options.start ? 'start' : 'end')),
      ),
  )
  command.addCommand(
    edit('remove', 'Remove tags.')
      .argument('<tags>', 'divided by commas', tagList)
      .action((folder: string, tags: readonly string[], options: EditOptions) =>
        run(folder, options, () => removeTags(tags)),
      ),
  )
  command.addCommand(
    edit('exchange', 'Exchange tags for others by their position in two lists; an empty new one removes.')
      .argument('<from>', 'divided by commas', tagList)
      .argument('<to>', 'divided by commas', (text: string) => text.split(',').map((tag) => tag.trim()))
      .option('--start', 'further new tags go to the beginning')
      .action(
        (folder: string, from: readonly string[], to: readonly string[], options: EditOptions & { start?: true }) =>
          run(folder, options, () => exchangeTags(from, to, options.start ? 'start' : 'end')),
      ),
  )
  command.addCommand(replaceCommand())
  command.addCommand(
    edit('trigger', 'Put the trigger word at the beginning.')
      .argument('<word>', 'the word')
      .action((folder: string, word: string, options: EditOptions) => run(folder, options, () => prependTrigger(word))),
  )
  command.addCommand(
    edit('sort', 'Sort tags.')
      .addOption(new Option('--by <key>', 'order').choices(['alphabet', 'frequency', 'length']).default('frequency'))
      .option('--reverse', 'the other way: rare ones, short ones, or the end of the alphabet first')
      .option('--keep <n>', 'tags at the beginning that stay there', wholeNumber, 0)
      .action((folder: string, options: EditOptions & { by: SortKey; reverse?: true; keep: number }) =>
        run(folder, options, (captions) => {
          const isDescending = (options.by === 'alphabet') === (options.reverse ?? false)
          return sortTags(captions, options.by, isDescending, options.keep)
        }),
      ),
  )
  command.addCommand(
    edit('dedupe', 'Keep each tag once.').action((folder: string, options: EditOptions) =>
      run(folder, options, () => dedupe),
    ),
  )
  command.addCommand(
    edit('truncate', 'Keep the tags that fit into windows of 75 tokens.')
      .option('--windows <n>', 'how many', wholeNumber, 1)
      .action((folder: string, options: EditOptions & { readonly windows: number }) => {
        const tokenizer = openTokenizer('clip')
        return run(folder, options, () => truncate(75 * options.windows, (text) => tokenizer.encode(text).length))
      }),
  )
  command.addCommand(
    edit('commas', 'Turn Chinese and Japanese commas into commas.').action((folder: string, options: EditOptions) =>
      run(folder, options, () => plainCommas),
    ),
  )
  command.addCommand(pruneCommand())
  command.addCommand(
    new Command('undo')
      .description('Take the last save back.')
      .argument('<folder>', 'the set')
      .action((folder: string) => print([`${undoSave(folder).written.length} captions are as they were.`])),
  )
  return command
}

function listCommand(): Command {
  return filtered(new Command('list').description('Count the tags of a set.').argument('<folder>', 'the set'))
    .option('--search <regex>', 'only tags that match')
    .action((folder: string, options: EditOptions & { readonly search?: string }) => {
      const captions = chosenCaptions(folder, options)
      const { search } = options
      // The same check of the pattern, and the same matching, as a replacement has.
      const isWanted = (tag: string) =>
        search === undefined ||
        replaceText({ find: search, replace: '\0', isRegex: true, scope: 'caption' })(tag).includes('\0')
      const counts = [...countTags(captions)].filter(([tag]) => isWanted(tag))
      print(counts.map(([tag, count]) => `${String(count).padStart(6)}  ${tag}  ${categoryOf(tag) ?? ''}`.trimEnd()))
    })
}

function replaceCommand(): Command {
  return edit('replace', 'Search and replace.')
    .argument('<find>', 'text, or a regular expression with --regex')
    .argument('<replacement>', 'what stands there then; $1 for a group of --regex')
    .option('--regex', 'search by a regular expression')
    .option('--in-caption', 'search the caption as one text (default: each tag by itself)')
    .option('--in-tags <tags>', 'search these tags only', tagList)
    .action((folder: string, find: string, replace: string, options: ReplaceOptions) => {
      const scope = options.inCaption ? 'caption' : options.inTags ? { tags: options.inTags } : 'tags'
      run(folder, options, () => replaceText({ find, replace, isRegex: options.regex ?? false, scope }))
    })
}

interface ReplaceOptions extends EditOptions {
  readonly regex?: boolean
  readonly inCaption?: boolean
  readonly inTags?: readonly string[]
}

interface PruneOptions extends EditOptions {
  readonly share: number
  readonly keep?: readonly string[]
  readonly drop?: readonly string[]
  readonly trigger?: string
}

/** Method 2; method 1, which keeps everything, needs no command. */
function pruneCommand(): Command {
  return edit('prune', 'Method 2: take out what the trigger word shall mean (hair, eyes, skin, face, body).')
    .option('--share <x>', 'share of captions from which a tag belongs to the subject', decimal, usualShare)
    .option('--keep <tags>', 'stay in any case', tagList)
    .option('--drop <tags>', 'go in any case', tagList)
    .option('--trigger <word>', 'the trigger word, put at the beginning')
    .action((folder: string, options: PruneOptions) => {
      const { share, keep = [], drop = [], trigger } = options
      const set = openSet(folder, options)
      const captions = readCaptions(set)
      const names = matching(captions, filterOf(options))
      const chosen = new Map([...captions].filter(([name]) => names.has(name)))
      const advice = adviseRemoval(chosen, { leastShare: share, keep, drop, trigger })
      for (const goes of [true, false]) {
        const part = advice.filter((each) => each.goes === goes)
        print([goes ? 'goes:' : 'stays:', ...part.map(({ tag, count, why }) => `  ${tag} (${count}): ${why}`)])
      }
      const pruned = new Map([...captions, ...withoutAdvised(chosen, advice)])
      const next = trigger === undefined ? pruned : edited(pruned, names, prependTrigger(trigger))
      finish(set, captions, next, options)
    })
}

/** An edit as a command: the set, whose captions, and whether to save. */
function edit(name: string, description: string): Command {
  return filtered(new Command(name).description(description).argument('<folder>', 'the set')).option(
    '--save',
    'write the captions, the old ones beside them as .000; `dataset tags undo` takes it back',
  )
}

function filtered(command: Command): Command {
  return command
    .option('--has <tags>', 'only captions with all of these tags', tagList)
    .option('--has-any <tags>', 'only captions with any of these', tagList)
    .option('--lacks <tags>', 'only captions without any of these', tagList)
    .option('--lacks-all <tags>', 'only captions without all of these together', tagList)
    .option(...captionExtension)
}

function filterOf({ has, hasAny, lacks, lacksAll }: EditOptions): TagFilter {
  return {
    has: hasAny ? { tags: hasAny, mode: 'or' } : { tags: has ?? [], mode: 'and' },
    lacks: lacksAll ? { tags: lacksAll, mode: 'and' } : { tags: lacks ?? [], mode: 'or' },
  }
}

function chosenCaptions(folder: string, options: EditOptions): Captions {
  const captions = readCaptions(openSet(folder, options))
  const names = matching(captions, filterOf(options))
  return new Map([...captions].filter(([name]) => names.has(name)))
}

function run(folder: string, options: EditOptions, editFor: (captions: Captions) => CaptionEdit): void {
  const set = openSet(folder, options)
  const captions = readCaptions(set)
  const names = matching(captions, filterOf(options))
  finish(set, captions, edited(captions, names, editFor(captions)), options)
}

function finish(set: ReturnType<typeof openSet>, before: Captions, after: Captions, { save }: EditOptions): void {
  const changed = changes(before, after)
  print(changed.flatMap((each) => [each.name, `  - ${each.before}`, `  + ${each.after}`]))
  if (!save) print([`${changed.length} of ${before.size} captions would change; --save writes them.`])
  else print([`${saveCaptions(set, after).written.length} captions saved.`])
}

function tagList(text: string): readonly string[] {
  return text
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
}

function print(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''))
}
