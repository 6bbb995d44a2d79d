import type { SavingPlan } from '../jobs/crew.ts'
import type { PictureFile } from '../pipeline/saveImage.ts'
import type { JobContext } from './runner.ts'

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
