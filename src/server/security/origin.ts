import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { StudioError } from '../../errors.ts'
import type { ServerSettings } from '../settings.ts'

/** Requests that change nothing. */
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Refuses what a foreign web page makes a browser send. `Host` must be a name that only this machine can have: an
 * address, a name without dots, or one the user has allowed. Any other name may be a stranger's that has been pointed
 * here (DNS rebinding), which makes his page the same origin as ours. And where a browser says which page a request
 * comes from, that must be ours or one that CORS allows; loopback is no excuse.
 */
export function checkOrigin(
  { method, headers, isUpgrade }: { method: string; headers: IncomingHttpHeaders; isUpgrade: boolean },
  settings: ServerSettings,
): void {
  const { host, origin } = headers
  if (!isOwnHost(host, settings)) {
    throw new StudioError('forbidden', `Host "${shown(host)}" is not a name of this server; --allowed-hosts adds names`)
  }
  if (safeMethods.has(method) && !isUpgrade) return
  if (origin !== undefined) {
    if (isSameHost(origin, host) || isAllowedOrigin(origin, settings)) return
    throw new StudioError('forbidden', `requests from "${shown(origin)}" are refused; --cors-allow-origins allows them`)
  }
  const site = headers['sec-fetch-site']
  if (site === 'cross-site' || site === 'same-site') {
    throw new StudioError('forbidden', 'requests from other sites are refused; --cors-allow-origins allows them')
  }
}

/** Whether pages of an origin may use the API, by the launch flags. */
export function isAllowedOrigin(origin: string, { cors }: ServerSettings): boolean {
  return cors.origins.includes('*') || cors.origins.includes(origin) || cors.pattern?.test(origin) === true
}

function isOwnHost(host: string | undefined, { host: bound, allowedHosts }: ServerSettings): boolean {
  // HTTP/1.0 has no Host, and no browser speaks it.
  if (host === undefined) return true
  const name = nameOf(`http://${host}`)
  if (name === undefined) return false
  if (allowedHosts.includes('*') || allowedHosts.includes(name) || name === bound.toLowerCase()) return true
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0) return true
  return !name.includes('.') || name === hostname().toLowerCase() || name.endsWith('.localhost')
}

function isSameHost(origin: string, host: string | undefined): boolean {
  try {
    return new URL(origin).host === new URL(`http://${host}`).host
  } catch {
    return false
  }
}

function nameOf(url: string): string | undefined {
  try {
    const { hostname: name, pathname, username } = new URL(url)
    return pathname === '/' && username === '' ? name.replace(/\.$/, '') : undefined
  } catch {
    return undefined
  }
}

/** What a stranger wrote, short enough to be repeated. */
function shown(text: string | undefined): string {
  return (text ?? '').slice(0, 100)
}
