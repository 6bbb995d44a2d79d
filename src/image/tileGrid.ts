import { mixed } from './composite.ts'
import { type Channels, crop, type L8, type Picture, pasted, picture, type Rgb8 } from './picture.ts'

/** A picture cut into overlapping tiles of one size, in rows from the top. */
export interface TileGrid {
  readonly width: number
  readonly height: number
  readonly tileWidth: number
  readonly tileHeight: number
  readonly overlap: number
  readonly rows: readonly { readonly y: number; readonly xs: readonly number[] }[]
}

/** Where tiles lie that cover a picture: at least `overlap` pixels of each lie in its neighbour. */
export function tileGrid(
  { width, height }: Pick<Picture, 'width' | 'height'>,
  tileWidth: number,
  tileHeight: number,
  overlap: number,
): TileGrid {
  const xs = starts(width, tileWidth, overlap)
  const rows = starts(height, tileHeight, overlap).map((y) => ({ y, xs }))
  return { width, height, tileWidth, tileHeight, overlap, rows }
}

function starts(length: number, tile: number, overlap: number): number[] {
  const count = Math.max(1, Math.ceil((length - overlap) / (tile - overlap)))
  const step = count > 1 ? (length - tile) / (count - 1) : 0
  return Array.from({ length: count }, (_, i) => {
    const start = Math.trunc(i * step)
    return start + tile >= length ? length - tile : start
  })
}

/** The tiles of a picture, row by row; what of one lies outside the picture is black. */
export function cutTiles<C extends Channels>(
  source: Picture<C>,
  { rows, tileWidth, tileHeight }: TileGrid,
): Picture<C>[] {
  return rows.flatMap(({ y, xs }) =>
    xs.map((x) => crop(source, { left: x, top: y, right: x + tileWidth, bottom: y + tileHeight })),
  )
}

/** Tiles put together again, each fading into its neighbours to the left and above over the overlap. */
export function joinTiles(grid: TileGrid, tiles: readonly Rgb8[]): Rgb8 {
  const { width, height, tileHeight, overlap } = grid
  const rampX = ramp(overlap, tileHeight, (x) => x)
  const rampY = ramp(width, overlap, (_, y) => y)
  let whole = picture(3, width, height)
  let next = 0
  for (const { y, xs } of grid.rows) {
    let row = picture(3, width, tileHeight)
    for (const x of xs) {
      const tile = tiles[next++]
      if (!tile) throw new Error(`internal: ${tiles.length} tiles for a grid of more`)
      row = x === xs[0] ? pasted(row, tile, x, 0) : fadedIn(row, tile, x, 0, rampX)
    }
    whole = y === grid.rows[0]!.y ? pasted(whole, row, 0, y) : fadedIn(whole, row, 0, y, rampY)
  }
  return whole

  function ramp(w: number, h: number, position: (x: number, y: number) => number): L8 {
    const mask = picture(1, w, h)
    for (let i = 0; i < mask.data.length; i++) {
      mask.data[i] = (position(i % w, Math.floor(i / w)) * 255) / overlap
    }
    return mask
  }
}

/** A patch laid over a picture, its edge (as large as the mask) mixed with what is there. */
function fadedIn(target: Rgb8, patch: Rgb8, left: number, top: number, mask: L8): Rgb8 {
  const box = { left: 0, top: 0, right: mask.width, bottom: mask.height }
  const below = crop(target, { left, top, right: left + mask.width, bottom: top + mask.height })
  const edge = mixed(below, crop(patch, box), mask)
  return pasted(pasted(target, patch, left, top), edge, left, top)
}
