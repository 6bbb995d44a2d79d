import { availableMemory, memoryUsage } from 'node:process'

/**
 * When weights are worth packing.
 *
 * A mapped session starts in a fraction of a second and holds no weights of its own, but converts all of them at every
 * run; a packed one has done so once, which takes about as long as two of these conversions and holds every weight in
 * float32. So a session that is run once (an encoder, a decoder, a preview of one step) is best left mapped, and one
 * that is run again is best packed before its second run: whatever work lies ahead, this costs at most a conversion or
 * two more than knowing it beforehand. What another session has packed is used from the first run on, and a small model
 * is packed at once, as a second session would take longer to open. Since both compute the same numbers, nobody can tell
 * from the picture.
 *
 * Where memory is short they stay mapped: the pages are the file cache's, shared by all processes and given back to the
 * system when it needs them.
 */
export function isWorthPacking({ all, missing }: PackedSize, runs: number): boolean {
  const isAgain = runs >= 1
  const isMostlyThere = missing < all / 8
  const isSmall = all <= smallBytes
  return (isAgain || isMostlyThere || isSmall) && missing + reserveBytes <= availableMemory()
}

/** Weights of a model that is packed as fast as it is opened. */
const smallBytes = 2 ** 27

/** Bytes of packed weights: those of a graph, and those of them that no session has packed yet. */
export interface PackedSize {
  readonly all: number
  readonly missing: number
}

/**
 * How many bytes others must give back before one can take `bytes` more: what is over the process's limit, or over what
 * the machine has. Packed weights that go are computed anew when they are wanted again, which costs a picture about a
 * hundredth of its time; so a program that draws does not grow from a model's size to a model's and a decoder's.
 */
export function excessBytes(bytes: number): number {
  return Math.max(0, memoryUsage.rss() + bytes - residentLimit, bytes + reserveBytes / 4 - availableMemory())
}

/** What a process should hold: packed weights of the largest model of this family and what it takes to run it. */
const residentLimit = 3.9e9

/** What is left to the work itself and to everybody else on the machine. */
const reserveBytes = 2 ** 30
