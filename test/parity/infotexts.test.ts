import { describe, expect, test } from 'vitest'
import { generate } from '../../src/pipeline/generate.ts'
import type { Recipe } from '../../src/pipeline/recipe.ts'
import { recipeFromRequest } from '../../src/pipeline/wire/recipeFromRequest.ts'
import { requestFromInfotext } from '../../src/pipeline/wire/requestFromInfotext.ts'
import { goldenStudio } from './goldenStudio.ts'
import { groupsOf } from './groups.ts'
import { casesOf, requestOf } from './recorded.ts'

const studio = goldenStudio()

// What the reference does not write into infotexts, and no one can therefore say again: options without a name there,
// settings that the sampler had no use for, space at the ends of a prompt, how a mask was sent.
const silent = [
  /^unipc\//,
  /^churn\//,
  /^compat\/(no_sde|old)/,
  /^ensd\/(euler|dpmpp_sde)$/,
  /^eta\/ddim_quad$/,
  /^sigma\/(quantize|old_karras)$/,
  /^prompt\/(punct|spaces|comma|no_batch)/,
  /^img2img\/(fix_steps|color_correction|rgba_bg|resize|initial)/,
  /^inpaint\/(blur_xy|mask_soft|resize)/,
]
const isSilent = (id: string) => silent.some((pattern) => pattern.test(id))

const cases = casesOf(...Object.values(groupsOf).flat()).filter(({ isError, id }) => !isError && !isSilent(id))

describe('an infotext of the reference comes to the recipe of its request', () => {
  test.each(cases.map((each) => [each.id, each] as const))('%s', async (id, each) => {
    const lenient = id === 'lora/missing'
    const asked = await recipeFromRequest(requestOf(each), each.endpoint, studio(), { lenient })
    const { infotext } = each.images[0]!
    const { endpoint, body, floats } = requestFromInfotext(infotext, { isReplay: true })
    expect(endpoint).toBe(each.endpoint)
    // An infotext tells of one picture, and not which pictures it was made from.
    const { init_images, mask } = requestOf(each)
    const again = await recipeFromRequest(
      { ...body, init_images, mask, batch_size: asked.batchSize },
      endpoint,
      studio(),
      { lenient, floats },
    )
    expect(told(again, infotext)).toEqual(told(asked, infotext))
  })
})

/** Only of whole numbers it matters whether they are spelled as floats. */
const isWhole = (key: string, infotext: string) => new RegExp(`\\b${key}: -?\\d+(\\.0)?(,|$)`).test(infotext)

/** What of a recipe an infotext tells: the first picture, no seed of a variation that is off, how numbers are spelled. */
function told(recipe: Recipe, infotext: string) {
  const { images, noise, hires, sampling, guidance, notes: _, batchSize: __, init, writing, ...rest } = recipe
  const [{ subseed, ...first }] = images as [Recipe['images'][0]]
  return {
    ...rest,
    first,
    subseed: noise.variationStrength > 0 ? subseed : undefined,
    noise,
    guidance,
    writing: { ...writing, floats: [...writing.floats].filter((key) => isWhole(key, infotext)) },
    init: init && { ...init, mask: init.mask && { ...init.mask, picture: undefined } },
    hires: hires && { ...hires, prompts: hires.prompts.slice(0, 1) },
    // `Eta` sets the option of its kind of sampler, not the request's.
    eta: sampling.eta ?? (/^DDIM/.test(recipe.pass.sampler) ? sampling.etaDdim : sampling.etaAncestral),
    sampling: { ...sampling, eta: undefined, etaAncestral: undefined, etaDdim: undefined },
  }
}

test.each(['sampler/euler_a-automatic-nv', 'hires/hr_sampler', 'lora/both', 'sigma/ztsnr', 'variation/both-cpu'])(
  'a picture made from the infotext of %s says the same of itself',
  async (id) => {
    const { infotext } = casesOf(id.split('/')[0]!).find((each) => each.id === id)!.images[0]!
    const { endpoint, body, floats } = requestFromInfotext(infotext, { isReplay: true })
    for await (const progress of generate(studio(), await recipeFromRequest(body, endpoint, studio(), { floats }))) {
      if (progress.kind === 'image') expect(progress.image.infotext).toBe(infotext)
    }
  },
)
