/** The first pass of 2022: about 512 × 512 pixels of the same shape, sides rounded up to 64. */
export function oldFirstPassSize(width: number, height: number): { width: number; height: number } {
  const scale = Math.sqrt((512 * 512) / (width * height))
  const side = (length: number) => Math.ceil((scale * length) / 64) * 64
  return { width: side(width), height: side(height) }
}
