import { flatten } from '../image/channels.ts'
import { fillMasked } from '../image/fillMasked.ts'
import { interpolate } from '../image/interpolate.ts'
import { latentMask, type PreparedMask, prepareMask } from '../image/mask.ts'
import { type Box, crop, invert, type L8, type Rgb8 } from '../image/picture.ts'
import { toPixels } from '../image/pixels.ts'
import { maskLike, placed, type ResizeMode, scaledSize } from '../image/resizeMode.ts'
import { combine } from '../tensor/combine.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type Autoencoder, drawLatents, latentScale } from './autoencoder.ts'
import type { Facts } from './infotext.ts'
import type { ImagePlan, Init, Mask, Recipe } from './recipe.ts'
import { noiseOf } from './sampling.ts'
import { type UpscaleStep, upscale } from './upscale.ts'

/** The start of an img2img job, which all its batches share. */
export interface StartState {
  /** The latents that a batch starts from, [batch, 4, h, w]; `offset` counts from the first start picture. */
  readonly latentsOf: (batch: { readonly images: readonly ImagePlan[]; readonly offset: number }) => Tensor
  readonly masked: MaskedState | undefined
  /** Pictures whose colours the results are matched to. */
  readonly colors: readonly Rgb8[] | undefined
  /** The start pictures in −1…1 as the encoder saw them, one for all or one for each of a batch. */
  readonly pixels: Tensor
}

export interface MaskedState {
  readonly prepared: PreparedMask
  /** [h, w] in 0…1: 1 where to paint. */
  readonly latentMask: Tensor
  /** The masks by which overlays are cut, each of its original's size. */
  readonly overlayMasks: readonly L8[]
  /** The pictures the overlays are cut from. */
  readonly originals: readonly Rgb8[]
}

/** Prepares pictures and mask, encodes them, and notes what the mask does. */
export async function startFrom(
  recipe: Recipe,
  init: Init,
  vae: Autoencoder,
  upscaler: UpscaleStep | undefined,
  facts: Facts,
): Promise<StartState> {
  const { width, height, batchSize } = recipe
  const prepared =
    init.mask && noteMask(init.mask, prepareMask(turned(init.mask), maskSettings(recipe, init, init.mask)), facts)
  const sources = init.pictures.map((source) => flatten(source, init.background))
  const sized = await Promise.all(
    sources.map((source) =>
      prepared?.region || init.resize === 'latent' ? source : fitted(source, init.resize, width, height, upscaler),
    ),
  )

  const overlayMasks = prepared && sized.map((source) => maskLike(prepared.overlay, source, pixelMode(init.resize)))
  const inputs: Rgb8[] = []
  for (const source of sized) inputs.push(await encoderInput(source, init, prepared, recipe, upscaler))
  const pixels = toPixels(inputs)
  if (recipe.coding.encoder) facts.set('VAE Encoder', 'TAESD')
  const posterior = await vae.encode(pixels)
  const [latentHeight, latentWidth] = [Math.floor(height / latentScale), Math.floor(width / latentScale)]
  const sizedLatents: StartState['latentsOf'] = ({ images, offset }) => {
    const drawn = drawLatents(
      posterior,
      images.map(({ seed }) => seed),
      offset,
    )
    return init.resize === 'latent' ? interpolate(drawn, [latentHeight, latentWidth], 'bilinear') : drawn
  }
  const colors = init.colorCorrection ? eachOf(inputs, batchSize) : undefined
  const { mask } = init
  if (!mask || !prepared || !overlayMasks) return { latentsOf: sizedLatents, masked: undefined, colors, pixels }

  const [h, w] = posterior.mean.shape.slice(2) as [number, number]
  const painted = latentMask(
    mask.latent ?? prepared.mask,
    init.resize === 'latent' ? latentWidth : w,
    init.resize === 'latent' ? latentHeight : h,
    { round: mask.round },
  )
  if (mask.content.startsWith('latent')) facts.set('Masked content', mask.content)
  return {
    latentsOf: (batch) => withContent(sizedLatents(batch), painted, mask, recipe, batch.offset),
    masked: {
      prepared,
      latentMask: painted,
      overlayMasks: eachOf(overlayMasks, batchSize),
      originals: eachOf(sized, batchSize),
    },
    colors,
    pixels,
  }
}

/** Latents where the mask [h, w] says, the original elsewhere: for each step, and at the end. */
export function pasteUnmasked(latent: Tensor, original: Tensor, mask: Tensor): Tensor {
  const area = mask.data.length
  const data = latent.data.map((value, i) => {
    const share = mask.data[i % area]!
    return value * share + original.data[i]! * (1 - share)
  })
  return { shape: latent.shape, data }
}

function turned({ picture, invert: isInverted }: Mask): L8 {
  return isInverted ? invert(picture) : picture
}

function maskSettings({ width, height }: Recipe, { resize }: Init, { blurX, blurY, onlyMasked }: Mask) {
  return {
    blurX,
    blurY,
    onlyMasked: onlyMasked !== undefined,
    padding: onlyMasked?.padding ?? 0,
    resizeMode: pixelMode(resize),
    width,
    height,
  }
}

/** How pixels are brought to size where it is the latent that is to be resized. */
export function pixelMode(resize: Init['resize']): ResizeMode {
  return resize === 'latent' ? 'fit' : resize
}

/** In the order in which infotexts tell it. */
function noteMask(mask: Mask, prepared: PreparedMask | undefined, facts: Facts): PreparedMask | undefined {
  const { blurX, blurY, onlyMasked } = mask
  if (mask.invert) facts.set('Mask mode', 'Inpaint not masked')
  if (blurX === blurY && blurX > 0) facts.set('Mask blur', blurX)
  if (prepared && onlyMasked) {
    facts.set('Inpaint area', 'Only masked')
    facts.set('Masked area padding', onlyMasked.padding)
  }
  if (prepared && mask.content === 'fill') facts.set('Masked content', mask.content)
  return prepared
}

/** What the encoder is given: the whole picture or the part around the mask, what is to be painted filled in. */
async function encoderInput(
  source: Rgb8,
  { mask, resize }: Init,
  prepared: PreparedMask | undefined,
  { width, height }: Recipe,
  upscaler: UpscaleStep | undefined,
): Promise<Rgb8> {
  if (!mask || !prepared) return source
  const part = prepared.region ? await fitted(cropped(source, prepared.region), 'fit', width, height, upscaler) : source
  return mask.content === 'original' ? part : fillMasked(part, maskLike(prepared.mask, part, pixelMode(resize)))
}

function cropped(source: Rgb8, region: Box): Rgb8 {
  return crop(source, region)
}

/** The latent with other content under the mask. */
function withContent(latent: Tensor, mask: Tensor, { content }: Mask, recipe: Recipe, offset: number): Tensor {
  if (content !== 'latent noise' && content !== 'latent nothing') return latent
  const kept = pasteUnmasked(zerosLike(latent), latent, mask)
  if (content === 'latent nothing') return kept
  // The seeds are those of the first batch also for later ones; variation and resized seeds do not count.
  const plain = { ...recipe, noise: { ...recipe.noise, variationStrength: 0, resizeFrom: undefined } }
  const seeds = recipe.images.slice(offset, offset + latent.shape[0]!)
  const noise = noiseOf(plain, seeds, latent.shape.slice(1) as [number, number, number])()
  return combine([1, kept], [1, pasteUnmasked(noise, zerosLike(noise), mask)])
}

async function fitted(
  source: Rgb8,
  mode: ResizeMode,
  width: number,
  height: number,
  upscaler: UpscaleStep | undefined,
): Promise<Rgb8> {
  const [scaledWidth, scaledHeight] = scaledSize(source, mode, width, height)
  return placed(await upscale(source, scaledWidth, scaledHeight, upscaler), mode, width, height)
}

/** One for each picture of a batch, where there is one for all. */
function eachOf<T>(items: readonly T[], count: number): readonly T[] {
  return items.length === 1 ? Array<T>(count).fill(items[0]!) : items
}

function zerosLike({ shape, data }: Tensor): Tensor {
  return { shape, data: new Float32Array(data.length) }
}
