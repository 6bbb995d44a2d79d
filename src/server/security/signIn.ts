import { createHash, timingSafeEqual } from 'node:crypto'
import { StudioError } from '../../errors.ts'
import type { Credential, ServerSettings } from '../settings.ts'

const minute = 60_000
/** Addresses that are remembered for failing; more forget the oldest. */
const mostAddresses = 10_000

interface Failures {
  count: number
  /** By a clock that no one sets. */
  readonly since: number
}

/** Checks names and passwords, and makes guessing slow: an address that has failed too often has to wait. */
export class SignIn {
  readonly #digests: readonly Buffer[]
  readonly #most: number
  readonly #failures = new Map<string, Failures>()

  constructor({ credentials, limits }: ServerSettings) {
    this.#digests = credentials.map(digestOf)
    this.#most = limits.failedSignIns
  }

  get isNeeded(): boolean {
    return this.#digests.length > 0
  }

  /** Throws unless the header carries a name and the password that goes with it. */
  check(authorization: string | undefined, address: string): void {
    if (!this.isNeeded) return
    const before = this.#failuresOf(address)
    if (before && before.count >= this.#most) {
      const left = (before.since + minute - performance.now()) / 1000
      throw new StudioError('busy', 'too many failed attempts to sign in', { retryAfterSeconds: Math.max(1, left) })
    }
    const given = basicCredential(authorization)
    if (given === undefined) throw new StudioError('unauthorized', 'Not authenticated')
    if (this.#isKnown(digestOf(given))) {
      this.#failures.delete(address)
      return
    }
    if (before) before.count++
    else this.#remember(address)
    throw new StudioError('unauthorized', 'Incorrect username or password')
  }

  /** Looks at every credential whole, so that the time it takes tells nothing. */
  #isKnown(digest: Buffer): boolean {
    return this.#digests.reduce((isKnown, known) => timingSafeEqual(known, digest) || isKnown, false)
  }

  #failuresOf(address: string): Failures | undefined {
    const failures = this.#failures.get(address)
    if (failures && performance.now() - failures.since < minute) return failures
    this.#failures.delete(address)
    return undefined
  }

  #remember(address: string): void {
    if (this.#failures.size >= mostAddresses) this.#failures.delete(this.#failures.keys().next().value ?? '')
    this.#failures.set(address, { count: 1, since: performance.now() })
  }
}

/** The name and password of a Basic authorization header; a password may contain colons. */
export function basicCredential(authorization: string | undefined): Credential | undefined {
  const encoded = /^Basic ([\w+/]+=*)$/i.exec(authorization ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** Equally long for all, so that comparing tells no length. */
function digestOf({ name, password }: Credential): Buffer {
  return createHash('sha256').update(`${name.length}:${name}:${password}`).digest()
}
