import { pythonFloat } from '../image/pythonFloat.ts'
import type { SoftInpainting } from '../image/softInpaint.ts'
import { asWritten, type Fact } from './infotext.ts'
import type { Hires, Recipe } from './recipe.ts'

/** What infotexts tell of a second pass, in their order. */
export function* hiresFacts(recipe: Recipe, hires: Hires): Generator<readonly [string, Fact]> {
  yield ['Denoising strength', pythonFloat(hires.denoisingStrength)]
  if (hires.model) {
    const { name, hash } = hires.model.checkpoint
    yield ['Hires checkpoint', hash === undefined ? name : `${name} [${hash.slice(0, 10)}]`]
  }
  if (hires.pass.sampler !== recipe.pass.sampler) yield ['Hires sampler', hires.pass.sampler]
  const differing = (own: (i: number) => string, first: (i: number) => string) =>
    recipe.images.map((_, i) => (own(i) === first(i) ? null : own(i)))
  yield [
    'Hires prompt',
    differing(
      (i) => hires.prompts[i]!.prompt,
      (i) => recipe.images[i]!.prompt,
    ),
  ]
  yield [
    'Hires negative prompt',
    differing(
      (i) => hires.prompts[i]!.negativePrompt,
      (i) => recipe.images[i]!.negativePrompt,
    ),
  ]
  // Its place; what stands there is known when the pass is laid out.
  yield ['Hires schedule type', null]
  const { target } = hires
  if (target.kind === 'scale') yield ['Hires upscale', pythonFloat(target.scale)]
  else yield ['Hires resize', `${target.width}x${target.height}`]
  if (hires.askedSteps > 0) yield ['Hires steps', hires.askedSteps]
  yield ['Hires upscaler', hires.upscaler]
}

/** What infotexts tell of soft inpainting. */
export function* softInpaintingFacts(soft: SoftInpainting): Generator<readonly [string, Fact]> {
  yield ['Soft inpainting enabled', true]
  yield ['Soft inpainting schedule bias', asWritten(soft.scheduleBias)]
  yield ['Soft inpainting preservation strength', asWritten(soft.preservationStrength)]
  yield ['Soft inpainting transition contrast boost', asWritten(soft.transitionContrastBoost)]
  yield ['Soft inpainting mask influence', asWritten(soft.maskInfluence)]
  yield ['Soft inpainting difference threshold', asWritten(soft.differenceThreshold)]
  yield ['Soft inpainting difference contrast', asWritten(soft.differenceContrast)]
}
