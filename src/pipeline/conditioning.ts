import type { WeightedContext } from '../diffusion/guidance.ts'
import { rows, stack, type Tensor } from '../tensor/tensor.ts'
import { splitAnd } from '../text/composition.ts'
import { entryAt, parsePromptSchedule, type ScheduledText, type ScheduleOptions } from '../text/schedule.ts'
import type { Guidance } from './recipe.ts'
import type { EncodeTexts } from './textEncoder.ts'

/** A text's encodings over a run: the schedule and, entry by entry, what the UNet reads. */
interface ScheduledContext {
  readonly schedule: readonly ScheduledText[]
  readonly contexts: readonly Tensor[]
}

/** What a batch is conditioned on, call by call. */
export interface Conditioning {
  /** For each picture the parts of its prompt, joined by AND. */
  readonly cond: readonly (readonly { readonly weight: number; readonly text: ScheduledContext }[])[]
  readonly uncond: readonly ScheduledContext[]
  /** Names of the embeddings, in the order infotexts list them. */
  readonly embeddings: readonly string[]
  /** Some text has brackets, which the mode of emphasis is about. */
  readonly hasBrackets: boolean
}

/** How many denoiser calls prompts are scheduled over. */
export interface Timeline extends ScheduleOptions {
  /** Calls of the first pass. */
  readonly steps: number
}

/**
 * Reads the prompts of a batch: each distinct text is scheduled and encoded once, or once for each picture where the
 * encoder is another for each.
 */
export async function conditionOn(
  prompts: readonly { readonly prompt: string; readonly negativePrompt: string }[],
  timeline: Timeline,
  encode: EncodeTexts,
  isVaried = false,
): Promise<Conditioning> {
  const embeddings: string[] = []
  let hasBrackets = false
  const reader = () => {
    const known = new Map<string, ScheduledContext>()
    return async (text: string, picture: number): Promise<ScheduledContext> => {
      const key = `${isVaried ? picture : ''} ${text}`
      const found = known.get(key)
      if (found) return found
      const schedule = parsePromptSchedule(text, timeline.steps, timeline)
      const { contexts, embeddings: used } = await encode(
        schedule.map((entry) => entry.text),
        picture,
      )
      // Infotexts name what was read last first.
      embeddings.unshift(...used.filter((name) => picture === 0 || !isVaried || !embeddings.includes(name)))
      hasBrackets ||= schedule.some((entry) => /[([]/.test(entry.text))
      const context = { schedule, contexts }
      known.set(key, context)
      return context
    }
  }

  const readNegative = reader()
  const uncond: ScheduledContext[] = []
  for (const [i, { negativePrompt }] of prompts.entries()) uncond.push(await readNegative(negativePrompt, i))
  const readPositive = reader()
  const cond: { weight: number; text: ScheduledContext }[][] = []
  for (const [i, { prompt }] of prompts.entries()) {
    const parts: { weight: number; text: ScheduledContext }[] = []
    for (const { text, weight } of splitAnd(prompt)) parts.push({ weight, text: await readPositive(text, i) })
    cond.push(parts)
  }
  return { cond, uncond, embeddings, hasBrackets }
}

/** Which way of padding was needed, for the infotext. */
export type Padded = 'none' | 'empty' | 'last-token'

/**
 * What is in force at one denoiser call. Where prompt and negative prompt differ in length, the shorter is padded as
 * the recipe says: `emptyChunks` are the encoded empty prompt, [77, width], for all pictures or for each.
 */
export function conditionedAt(
  { cond, uncond }: Conditioning,
  call: number,
  padding: Guidance['padding'],
  emptyChunks: readonly Tensor[],
): { cond: WeightedContext[][]; uncond: Tensor[]; padded: Padded } {
  const at = ({ schedule, contexts }: ScheduledContext) => contexts[entryAt(schedule, call)]!
  const asked = cond.map((parts) => parts.map(({ weight, text }) => ({ weight, context: at(text) })))
  const unasked = extended(uncond.map(at))
  const longest = Math.max(...asked.flat().map(({ context }) => context.shape[0]!))
  const length = unasked[0]!.shape[0]!
  if (padding === 'none' || longest === length) return { cond: asked, uncond: unasked, padded: 'none' }

  if (padding === 'last-token') {
    // The negative prompt alone gives way: it is cut where it is the longer one.
    const fitted = unasked.map((context) =>
      length < longest ? repeatLast(context, longest) : rows(context, 0, longest),
    )
    return { cond: asked, uncond: fitted, padded: padding }
  }
  const pad = (context: Tensor, picture: number) => {
    const emptyChunk = emptyChunks[picture] ?? emptyChunks[0]
    if (!emptyChunk) throw new Error('internal: padding without the empty prompt')
    const missing = (Math.max(longest, length) - context.shape[0]!) / emptyChunk.shape[0]!
    return stack([context, ...Array<Tensor>(missing).fill(emptyChunk)])
  }
  return {
    cond: asked.map((parts, i) => parts.map(({ weight, context }) => ({ weight, context: pad(context, i) }))),
    uncond: unasked.map(pad),
    padded: padding,
  }
}

/** Contexts of one batch made equally long. */
function extended(contexts: readonly Tensor[]): Tensor[] {
  const longest = Math.max(...contexts.map(({ shape }) => shape[0]!))
  return contexts.map((context) => repeatLast(context, longest))
}

function repeatLast(context: Tensor, length: number): Tensor {
  const tokens = context.shape[0]!
  if (tokens === length) return context
  const last = rows(context, tokens - 1, tokens)
  return stack([context, ...Array<Tensor>(length - tokens).fill(last)])
}
