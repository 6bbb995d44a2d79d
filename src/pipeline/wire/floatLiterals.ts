/**
 * Paths of the numbers in a JSON text that are whole and written as floats, `3.0` or `3e0`: `override_settings.rho`.
 * JavaScript reads them as it reads `3`; infotexts repeat options as they were written. Expects a text that parses.
 */
export function floatLiterals(json: string): ReadonlySet<string> {
  const found = new Set<string>()
  const path: (string | number)[] = []
  /** For each open bracket, whether it is an object's. */
  const open: boolean[] = []
  let isKey = false
  for (const token of tokensOf(json)) {
    const isObject = open.at(-1) === true
    if (token === '{' || token === '[') {
      open.push(token === '{')
      path.push(token === '{' ? '' : 0)
      isKey = token === '{'
    } else if (token === '}' || token === ']') {
      open.pop()
      path.pop()
    } else if (token === ',') {
      if (!isObject) path.push(Number(path.pop()) + 1)
      isKey = isObject
    } else if (token === ':') {
      isKey = false
    } else if (isKey) {
      path.pop()
      path.push(String(JSON.parse(token)))
    } else if (/^-?\d+(?=.*[.eE])/.test(token) && Number.isInteger(Number(token))) {
      found.add(path.join('.'))
    }
  }
  return found
}

/** Strings, numbers, words and marks, one after the other. */
function* tokensOf(json: string): Generator<string> {
  const mark = /[{}[\],:"]|[^\s{}[\],:"]+/g
  for (let match = mark.exec(json); match; match = mark.exec(json)) {
    if (match[0] !== '"') {
      yield match[0]
      continue
    }
    // A picture is a string of megabytes: longer than a pattern for strings can match.
    const end = stringEnd(json, match.index)
    yield json.slice(match.index, end)
    mark.lastIndex = end
  }
}

/** Where the string that begins at `start` ends: behind the first quote without an odd number of backslashes. */
function stringEnd(json: string, start: number): number {
  let quote = json.indexOf('"', start + 1)
  while (quote >= 0) {
    let before = quote
    while (json[before - 1] === '\\') before--
    if ((quote - before) % 2 === 0) return quote + 1
    quote = json.indexOf('"', quote + 1)
  }
  return json.length
}
