/**
 * A prompt without its comments, from `#` to the end of the line. A line that is all comment goes with its line
 * end, except where the line before it went so too; a comment at the very end leaves a line end behind. Both are
 * the reference's ways, and infotexts show them.
 */
export function stripComments(prompt: string): string {
  const lines = prompt.split('\n')
  const kept: string[] = []
  let isLineGone = false
  for (const [i, line] of lines.entries()) {
    const hash = line.indexOf('#')
    const isLast = i === lines.length - 1
    isLineGone = hash === 0 && !isLineGone
    if (!isLineGone) kept.push(hash < 0 ? line : line.slice(0, hash))
    else if (i === 0) kept.push('')
    if (hash >= 0 && isLast) kept.push('')
  }
  return kept.join('\n')
}
