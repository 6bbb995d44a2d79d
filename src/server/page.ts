import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyPluginAsync } from 'fastify'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** Nothing but the page's own files: no inline script or style, no other site. */
const contentPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The built page lies beside the compiled server; a server run from its sources finds it in `dist/`. */
const places = ['../web/', '../../dist/web/'].map((path) => fileURLToPath(new URL(path, import.meta.url)))

const notBuilt = 'The page is not built: run "npm run build". The API works: see /docs.\n'

/**
 * The studio's pages. Their files are read once and found by name in a table, so no address can lead anywhere else. Names
 * of assets hold a hash of their content: browsers keep them for ever and ask for the pages each time.
 */
export const page: FastifyPluginAsync<{
  readonly subpath: string
  /** The page at the address without a name. */
  readonly start: 'index.html' | 'training.html' | 'tensorboard.html'
  /** The other pages are there as well, by their names. */
  readonly hasOthers: boolean
}> = async (app, { subpath, start, hasOthers }) => {
  const folder = places.find((place) => existsSync(join(place, start)))
  if (folder === undefined) {
    app.get('/', { schema: { hide: true } }, async (_, reply) => reply.code(404).type('text/plain').send(notBuilt))
    return
  }
  const serve = (address: string, bytes: Buffer, type: string) => {
    app.get(address, { schema: { hide: true } }, async (request, reply) => {
      // Addresses in the page are relative: without the slash they would miss the path it is mounted under.
      if (subpath !== '' && request.originalUrl.split('?')[0] === subpath) return reply.redirect(`${subpath}/`)
      reply.header('content-security-policy', contentPolicy)
      reply.header('cache-control', type.startsWith('text/html') ? 'no-cache' : 'public, max-age=31536000, immutable')
      return reply.type(type).send(bytes)
    })
  }
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const type = types[extname(path)]
    if (type === undefined) continue
    const address = relative(folder, path).split(sep).join('/')
    const bytes = readFileSync(path)
    if (address === start) serve('/', bytes, type)
    if (hasOthers || extname(path) !== '.html') serve(`/${address}`, bytes, type)
  }
}
