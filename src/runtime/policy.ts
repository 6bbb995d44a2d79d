import { availableMemory } from 'node:process'

/**
 * When weights are worth packing.
 *
 * A mapped session starts in a fraction of a second and holds no weights of its own, but converts all of them at every
 * run; a packed one has done so once, which takes about as long as two of these conversions and holds every weight in
 * float32. So a session that is run once (an encoder, a decoder, a preview of one step) is best left mapped, and one
 * that is run again is best packed before its second run: whatever work lies ahead, this costs at most a conversion or
 * two more than knowing it beforehand. Since both compute the same numbers, nobody can tell from the picture.
 *
 * Where memory is short they stay mapped: the pages are the file cache's, shared by all processes and given back to the
 * system when it needs them.
 */
export function isWorthPacking({ runs, packedBytes }: { runs: number; packedBytes: number }): boolean {
  return runs >= 1 && packedBytes + reserveBytes <= availableMemory()
}

/** What is left to the work itself and to everybody else on the machine. */
const reserveBytes = 2 ** 30
