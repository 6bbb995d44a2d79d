import type { Box, Rgb8 } from '../../image/picture.ts'

/** A face in a picture: its box in pixels, and how sure the detector is, 0 to 1. */
export interface Face extends Box {
  readonly score: number
}

/** Finds faces in a picture, surest first. */
export type FindFaces = (source: Rgb8) => Promise<readonly Face[]>
