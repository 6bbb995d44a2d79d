/** A place in a JSON text where it breaks the grammar or a limit; the opener adds the file's name. */
export class JsonError extends Error {}

/** Objects and arrays inside one another, deeper than any header needs. */
const maxDepth = 4
/** UTF-16 units in a key; a tensor's path is never near it. */
const maxKeyLength = 4096

/** Keys of one object. Most objects have three, for which a list is much cheaper than a set. */
class KeySet {
  private readonly few: string[] = []
  private many: Set<string> | undefined

  /** False if the key is there already. */
  add(key: string): boolean {
    if (this.many) {
      if (this.many.has(key)) return false
      this.many.add(key)
      return true
    }
    if (this.few.includes(key)) return false
    if (this.few.push(key) > 8) this.many = new Set(this.few)
    return true
  }
}

/**
 * Reads JSON of a known structure front to back without building a tree, so that a hostile text of many megabytes
 * costs no memory beyond what is asked for. Stricter than `JSON.parse`: a key may appear only once in an object,
 * depth and key length are limited, and integers are exact.
 */
export class JsonScanner {
  private readonly text: string
  private at = 0
  private depth = 0

  constructor(text: string) {
    this.text = text
  }

  /** Reads an object, calling `member` with each key; it must read the value. */
  object(member: (key: string) => void): void {
    const keys = new KeySet()
    this.sequence('{', '}', () => {
      const key = this.string()
      if (key.length > maxKeyLength) this.fail(`a key of ${key.length} characters, at most ${maxKeyLength} expected`)
      if (!keys.add(key)) this.fail(`the key ${JSON.stringify(key)} appears twice`)
      this.expect(':')
      member(key)
    })
  }

  /** Reads an array, calling `item` for each element; it must read the value. */
  array(item: () => void): void {
    this.sequence('[', ']', item)
  }

  string(): string {
    this.expect('"')
    const start = this.at
    let escaped = false
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (Number.isNaN(code)) this.fail('the text ends inside a string')
      if (code < 0x20) this.fail('a control character inside a string')
      if (code === 0x22) break
      if (code === 0x5c) escaped = true
      this.at += code === 0x5c ? 2 : 1
    }
    const raw = this.text.slice(start, this.at++)
    return escaped ? this.unescape(raw) : raw
  }

  /** A non-negative integer without sign, fraction or exponent, small enough to be exact. */
  integer(): number {
    this.skipSpace()
    const start = this.at
    let value = 0
    for (;;) {
      const digit = this.text.charCodeAt(this.at) - 0x30
      if (!(digit >= 0 && digit <= 9)) break
      value = value * 10 + digit
      if (!Number.isSafeInteger(value)) this.fail('an integer that overflows')
      this.at++
    }
    const hasLeadingZero = this.at - start > 1 && this.text.charAt(start) === '0'
    if (this.at === start || hasLeadingZero || /[.eE]/.test(this.text.charAt(this.at))) {
      this.fail('expected a non-negative integer')
    }
    return value
  }

  /** Reads a value of any kind and forgets it. */
  skip(): void {
    const next = this.peek()
    if (next === '{') this.object(() => this.skip())
    else if (next === '[') this.array(() => this.skip())
    else if (next === '"') this.string()
    else this.skipScalar()
  }

  /** The first character of what comes next, which tells its kind; empty at the end. */
  peek(): string {
    this.skipSpace()
    return this.text.charAt(this.at)
  }

  /** Nothing but white space may follow. */
  end(): void {
    if (this.peek() !== '') this.fail('something follows the end')
  }

  fail(problem: string): never {
    throw new JsonError(`${problem}, at character ${this.at}`)
  }

  private skipScalar(): void {
    const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y
    scalar.lastIndex = this.at
    if (!scalar.test(this.text)) this.fail('expected a value')
    this.at = scalar.lastIndex
  }

  private unescape(raw: string): string {
    let value: string
    try {
      value = JSON.parse(`"${raw}"`)
    } catch {
      return this.fail('a string with an illegal escape')
    }
    if (/\p{Surrogate}/u.test(value)) this.fail('a string that is not Unicode text')
    return value
  }

  private sequence(open: string, close: string, item: () => void): void {
    this.expect(open)
    if (++this.depth > maxDepth) this.fail(`nested deeper than ${maxDepth}`)
    if (this.peek() !== close) {
      item()
      while (this.peek() === ',') {
        this.at++
        item()
      }
    }
    this.expect(close)
    this.depth--
  }

  private expect(character: string): void {
    if (this.peek() !== character) {
      const found = this.text.charAt(this.at)
      this.fail(`expected ${character}, found ${found === '' ? 'the end' : JSON.stringify(found)}`)
    }
    this.at++
  }

  private skipSpace(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.at++
    }
  }
}
