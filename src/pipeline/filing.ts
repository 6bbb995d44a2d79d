import type { GridRows } from '../image/grid.ts'
import type { SharingLimits } from '../image/save.ts'

/** How pictures become files, where the person who saves them does not say otherwise. */
export interface Filing {
  readonly pictures: FilePlace
  readonly grids: FilePlace
  readonly grid: GridSettings
  /** Where start pictures are kept, within the data folder; undefined where they are not. */
  readonly startFolder: string | undefined
  /** 1 to 100, for formats that lose something. */
  readonly quality: number
  readonly webpLossless: boolean
  readonly carriesInfotext: boolean
  /** The infotext also goes into a text file beside the picture. */
  readonly hasTextFile: boolean
  /** Beyond which a smaller JPEG goes beside the picture; undefined for never. */
  readonly sharing: SharingLimits | undefined
  /** Words of a prompt that make a name. */
  readonly promptWords: number
}

/** Where files of one kind go. */
export interface FilePlace {
  /** png, jpg, webp, avif or gif. */
  readonly format: string
  /** Within the data folder. */
  readonly folder: string
  /** Pattern of the folder within that; empty for none. */
  readonly subfolder: string
  /** Pattern of the name; empty for the number alone. */
  readonly name: string
  readonly isNumbered: boolean
}

/** All pictures of a job as one. */
export interface GridSettings {
  readonly isSaved: boolean
  /** A single picture makes no grid. */
  readonly needsSeveral: boolean
  readonly rows: GridRows
  readonly background: string
}
