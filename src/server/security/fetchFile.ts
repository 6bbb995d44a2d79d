import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { StudioError } from '../../errors.ts'
import { isPublicAddress } from './publicAddress.ts'

/** What a file from the network may cost, and where it may lie. */
export interface FetchRules {
  readonly maxBytes: number
  readonly maxRedirects: number
  readonly userAgent: string
  /** Whether an address may be connected to. */
  readonly isAllowed: (address: string) => boolean
  /** Every address of a name. */
  readonly resolve: (host: string) => Promise<readonly LookupAddress[]>
}

export const publicRules: FetchRules = {
  maxBytes: 20 * 2 ** 20,
  maxRedirects: 3,
  userAgent: '',
  isAllowed: isPublicAddress,
  resolve: (host) => lookup(host, { all: true }),
}

/**
 * The bytes of a file on the web. A name is resolved once for each step; if one of its addresses may not be reached nothing is
 * sent, and the connection goes to what was looked at, so that a name which changes in between (DNS rebinding) gains
 * nothing. A redirect is a step like the first. Errors: `bad-request` for what is no web address, `forbidden` for where it leads,
 * `too-large`, and `missing-file` for all that fails on the way; none tells what the other side has said.
 */
export async function fetchFile(address: string, rules: FetchRules, signal: AbortSignal): Promise<Uint8Array> {
  let url = webAddress(address, undefined)
  for (let redirects = 0; redirects <= rules.maxRedirects; redirects++) {
    const reply = await answerOf(url, rules, signal)
    const { statusCode = 0, headers } = reply
    if (!redirections.has(statusCode) || headers.location === undefined) return await bodyOf(reply, rules.maxBytes)
    reply.destroy()
    url = webAddress(headers.location, url)
  }
  throw new StudioError('missing-file', `is more than ${rules.maxRedirects} redirects away`)
}

const redirections: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

function webAddress(text: string, base: URL | undefined): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base) : undefined
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return url
  throw new StudioError('bad-request', 'expected an address that begins with http:// or https:// and has no password')
}

async function answerOf(url: URL, rules: FetchRules, signal: AbortSignal): Promise<IncomingMessage> {
  const addresses = await addressesOf(url, rules)
  const pinned: LookupFunction = (_, { all }, done) => {
    if (all) done(null, [...addresses])
    else done(null, addresses[0]!.address, addresses[0]!.family)
  }
  try {
    signal.throwIfAborted()
    const { request } = url.protocol === 'https:' ? https : http
    const asked = request(url, {
      // A connection of its own: one that others keep open was not looked at.
      agent: false,
      lookup: pinned,
      signal,
      headers: {
        accept: 'image/*',
        'accept-encoding': 'identity',
        ...(/^[\x20-\x7e]+$/.test(rules.userAgent) && { 'user-agent': rules.userAgent }),
      },
    })
    asked.end()
    const [reply] = (await once(asked, 'response', { signal })) as [IncomingMessage]
    return reply
  } catch (cause) {
    throw unreachable(cause)
  }
}

async function addressesOf({ hostname }: URL, { resolve, isAllowed }: FetchRules): Promise<readonly LookupAddress[]> {
  const host = hostname.replace(/^\[|\]$/g, '')
  const family = isIP(host)
  const addresses =
    family !== 0
      ? [{ address: host, family }]
      : await resolve(host).catch((cause: unknown) => {
          throw unreachable(cause)
        })
  if (addresses.length === 0) throw unreachable(undefined)
  if (addresses.every(({ address }) => isAllowed(address))) return addresses
  throw new StudioError('forbidden', 'leads into a network that is not public')
}

async function bodyOf(reply: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const { statusCode = 0, headers } = reply
  const tooLarge = new StudioError('too-large', `is larger than ${maxBytes} bytes`)
  try {
    if (statusCode !== 200) throw new StudioError('missing-file', 'is not there')
    if (/[^\s]/.test(headers['content-encoding'] ?? '') && headers['content-encoding'] !== 'identity') {
      throw new StudioError('missing-file', 'came compressed, which was not asked for')
    }
    if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of reply as AsyncIterable<Uint8Array>) {
      size += chunk.length
      if (size > maxBytes) throw tooLarge
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch (cause) {
    throw cause instanceof StudioError ? cause : unreachable(cause)
  } finally {
    reply.destroy()
  }
}

function unreachable(cause: unknown): StudioError {
  return new StudioError('missing-file', 'cannot be fetched, or not in time', { cause })
}
