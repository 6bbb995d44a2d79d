import type { Command } from 'commander'
import { type Captioning, usualCaptioning } from '../dataset/tagging/blip/openBlip.ts'
import { atLeast, decimal, wholeNumber } from './numbers.ts'

/** How a BLIP is asked on the command line. */
export interface CaptionOptions {
  readonly prompt: string
  readonly minLength: number
  readonly maxLength: number
  readonly beams: number
  readonly topP?: number
  readonly seed: number
  readonly repetitionPenalty?: number
}

const { prompt, minLength, maxLength } = usualCaptioning
/** BLIP's own, for words that are drawn. */
const penaltyOfDrawing = 1.1

/** Adds the options that only a BLIP has. */
export function withCaptionOptions(command: Command): Command {
  return command
    .option('--prompt <text>', 'BLIP: what a sentence goes on from', prompt)
    .option('--min-length <n>', 'BLIP: fewest tokens of a sentence, with those it goes on from', wholeNumber, minLength)
    .option('--max-length <n>', 'BLIP: most tokens', wholeNumber, maxLength)
    .option('--beams <n>', 'BLIP: sentences looked at side by side', atLeast(1), 1)
    .option('--top-p <x>', 'BLIP: draw words from the likeliest that together have this chance, such as 0.9', decimal)
    .option('--seed <n>', 'BLIP: of what is drawn, anew for every picture', wholeNumber, 42)
    .option(
      '--repetition-penalty <x>',
      `BLIP: what the chances of words already there are divided by (default: 1; with --top-p ${penaltyOfDrawing})`,
      decimal,
    )
}

/** What these options ask of a BLIP. */
export function captioningOf({ beams, topP, seed, repetitionPenalty, ...options }: CaptionOptions): Captioning {
  const { prompt, minLength, maxLength } = options
  const asked = { prompt, minLength, maxLength }
  if (topP === undefined) {
    return { ...asked, repetitionPenalty: repetitionPenalty ?? 1, by: { kind: 'beams', beams } }
  }
  const by = { kind: 'nucleus', topP, seed } as const
  return { ...asked, repetitionPenalty: repetitionPenalty ?? penaltyOfDrawing, by }
}
