import type { PictureSet } from '../../dataset/pictureSet.ts'
import type { WireDataset } from './trainingSchemas.ts'

/** A set as callers see it; its pictures have addresses below `base`. */
export function datasetToWire(
  id: string,
  { pictures, excluded, problems, notes }: PictureSet,
  base: string,
): WireDataset {
  return {
    id,
    pictures: pictures.map(({ name, folder, caption, captionProblem }) => ({
      name,
      repeats: folder.repeats,
      caption: caption?.trim() ?? null,
      captionProblem: captionProblem ?? null,
      excluded: excluded.get(name) ?? null,
      url: `${base}/datasets/${encodeURIComponent(id)}/picture?name=${encodeURIComponent(name)}`,
    })),
    problems: [...problems],
    notes: [...notes],
  }
}
