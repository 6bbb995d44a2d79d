import { encodePng } from '../image/encode.ts'
import type { SavingPlan } from '../jobs/crew.ts'
import type { MadeByProduct } from '../jobs/task.ts'
import type { GeneratedImage } from '../pipeline/generate.ts'
import type { Recipe } from '../pipeline/recipe.ts'
import { type ImagePart, type PictureFile, pictureFile, type SavingStudio, savedParts } from '../pipeline/saveImage.ts'
import type { JobContext } from './runner.ts'

/** What the names of a picture's files end in, in the folder of its job. */
const endings: Readonly<Record<ImagePart, string>> = {
  picture: '',
  'first pass': '-first',
  mask: '-mask',
  'mask composite': '-mask-composite',
}

/** Puts what is to be saved of a picture, itself the job's `number`th, into the job's folder. */
export async function stageSaving(
  studio: SavingStudio,
  recipe: Recipe,
  image: GeneratedImage,
  number: number,
  stage: JobContext['stage'],
): Promise<SavingPlan[]> {
  const plans: SavingPlan[] = []
  for (const part of savedParts(image)) {
    const name = `${number}${endings[part]}-saved`
    plans.push(await stagePlan(await pictureFile(studio, recipe, image, part), name, part === 'picture', stage))
  }
  return plans
}

/** Puts what follows a picture in the answer into the job's folder. */
export async function stageByProducts(
  { byProducts }: GeneratedImage,
  number: number,
  stage: JobContext['stage'],
): Promise<MadeByProduct[]> {
  const made: MadeByProduct[] = []
  for (const { kind, picture, isReturned } of byProducts) {
    if (isReturned) made.push({ kind, file: await stage(`${number}${endings[kind]}.png`, await encodePng(picture)) })
  }
  return made
}

/** Puts what is to be saved into the job's folder, and says where it goes from there. */
export async function stagePlan(
  { bytes, companions, ...where }: PictureFile,
  name: string,
  isPicture: boolean,
  stage: JobContext['stage'],
): Promise<SavingPlan> {
  const staged: { extension: string; file: string }[] = []
  for (const { extension, bytes: own } of companions) {
    staged.push({ extension, file: await stage(`${name}-beside.${extension}`, own) })
  }
  return { ...where, file: await stage(`${name}.${where.extension}`, bytes), companions: staged, isPicture }
}
