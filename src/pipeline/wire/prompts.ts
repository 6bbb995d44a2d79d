import { stripComments } from '../../text/comments.ts'
import { loraTags, parseExtraNetworks } from '../../text/extraNetworks.ts'
import { applyStyles, type Style } from '../../text/styles.ts'
import { unknown } from '../library.ts'
import type { Names } from './names.ts'
import type { Options } from './options.ts'

/** A prompt and its counterpart. */
export interface PromptPair {
  readonly prompt: string
  readonly negativePrompt: string
}

/**
 * What the prompts of a request become before they are read: styles merged in, comments taken out, the network that
 * options add everywhere added.
 */
export function promptMerger(
  styles: readonly Style[],
  wanted: readonly string[],
  options: Options,
  names: Names,
): (prompts: PromptPair) => PromptPair {
  const chosen = wanted.flatMap((name) => {
    const found = styles.find((style) => style.name === name)
    if (found) return [found]
    return names.orElse(
      (): Style[] => {
        throw unknown(
          'styles',
          'style',
          name,
          styles.map((style) => ({ stem: style.name })),
        )
      },
      () => [],
    )
  })
  const clean = options.enable_prompt_comments ? stripComments : (text: string) => text
  return ({ prompt, negativePrompt }) => ({
    prompt: withDefaultNetwork(
      clean(
        applyStyles(
          prompt,
          chosen.map((style) => style.prompt),
        ),
      ),
      options,
    ),
    negativePrompt: clean(
      applyStyles(
        negativePrompt,
        chosen.map((style) => style.negativePrompt),
      ),
    ),
  })
}

function withDefaultNetwork(
  prompt: string,
  { sd_lora: name, extra_networks_default_multiplier: strength }: Options,
): string {
  if (name === 'None' || name === '') return prompt
  const isThere = loraTags(parseExtraNetworks(prompt).networks).some((tag) => tag.name === name)
  return isThere ? prompt : `${prompt}<lora:${name}:${strength}>`
}
