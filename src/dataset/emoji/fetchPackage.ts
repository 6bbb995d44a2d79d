import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { StudioError } from '../../errors.ts'
import { readTar } from '../../files/tar.ts'

/** A package of the npm registry, pinned by version and content. */
export interface PinnedPackage {
  readonly package: string
  readonly version: string
  readonly integrity: string
}

const largestPackage = 1 << 30

/**
 * The files of a package by their paths inside it. The archive is fetched with the user's own npm client on first
 * use and kept in `cacheDir`; its content must be the pinned one.
 */
export async function fetchPackage(pinned: PinnedPackage, cacheDir: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const id = `${pinned.package}@${pinned.version}`
  const archive = join(cacheDir, `${pinned.package.replace(/^@/, '').replace('/', '-')}-${pinned.version}.tgz`)
  if (!existsSync(archive)) {
    mkdirSync(cacheDir, { recursive: true })
    try {
      // npm is a script on Windows, which only a shell can start; the arguments are constants of this program.
      const isWindows = process.platform === 'win32'
      await promisify(execFile)('npm', ['pack', id, '--pack-destination', cacheDir, '--silent'], { shell: isWindows })
    } catch (cause) {
      throw new StudioError('missing-file', `${id}: npm could not fetch it: ${(cause as Error).message}`, { cause })
    }
  }
  const bytes = readFileSync(archive)
  const found = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
  if (found !== pinned.integrity) {
    throw new StudioError('bad-file', `${archive}: expected the content ${pinned.integrity}, found ${found}`)
  }
  const tar = gunzipSync(bytes, { maxOutputLength: largestPackage })
  return new Map([...readTar(tar, archive)].map(({ name, bytes }) => [name.replace(/^package\//, ''), bytes]))
}

/** A file of a package as JSON. */
export function jsonOf<T>(files: ReadonlyMap<string, Uint8Array>, name: string): T {
  const bytes = files.get(name)
  if (!bytes) throw new StudioError('bad-file', `${name}: missing in the package`, { field: name })
  return JSON.parse(new TextDecoder().decode(bytes)) as T
}
