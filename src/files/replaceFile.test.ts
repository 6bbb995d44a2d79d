import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test, vi } from 'vitest'
import { StudioError } from '../errors.ts'
import { replaceFile } from './replaceFile.ts'

// Every call to the disk that replaceFile makes fails once, each way a disk fails.

const faults = vi.hoisted(() => ({ left: Number.POSITIVE_INFINITY, code: '', calls: [] as string[] }))

vi.mock('node:fs', async (load) => {
  const real = await load<typeof import('node:fs')>()
  const failing = <F extends (...args: never[]) => unknown>(name: string, call: F) =>
    ((...args: Parameters<F>) => {
      faults.calls.push(name)
      if (--faults.left === 0) throw Object.assign(new Error(`${faults.code}: ${name}`), { code: faults.code })
      return call(...args)
    }) as F
  const { mkdirSync, openSync, writeSync, fsyncSync, renameSync } = real
  return {
    ...real,
    mkdirSync: failing('mkdir', mkdirSync),
    openSync: failing('open', openSync),
    writeSync: failing('write', writeSync),
    fsyncSync: failing('fsync', fsyncSync),
    renameSync: failing('rename', renameSync),
  }
})

const folder = mkdtempSync(join(tmpdir(), 'athanor-replace-'))
const path = join(folder, 'file')
afterAll(() => rmSync(folder, { recursive: true }))
beforeEach(() => {
  faults.left = Number.POSITIVE_INFINITY
  faults.calls.length = 0
  writeFileSync(path, 'old')
  faults.calls.length = 0
})

const bytes = (text: string) => new TextEncoder().encode(text)
const replace = () => replaceFile(path, [bytes('ne'), bytes('w')])

test('the calls that can fail are these', () => {
  replace()
  expect(faults.calls).toEqual(['mkdir', 'open', 'write', 'write', 'fsync', 'rename'])
  expect(readFileSync(path, 'utf8')).toBe('new')
})

const calls = [1, 2, 3, 4, 5, 6]
test.each(['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'EROFS'].flatMap((code) => calls.map((call) => [code, call] as const)))(
  '%s at call %i is a typed error, the old file is whole, and nothing else is left',
  (code, call) => {
    Object.assign(faults, { left: call, code })
    const failed = () => {
      try {
        replace()
      } catch (error) {
        return error
      }
      return undefined
    }
    const error = failed()
    expect(error).toBeInstanceOf(StudioError)
    expect(error).toMatchObject({ code: ['ENOSPC', 'EDQUOT'].includes(code) ? 'no-space' : 'missing-file' })
    faults.left = Number.POSITIVE_INFINITY
    expect(readFileSync(path, 'utf8')).toBe('old')
    expect(readdirSync(folder)).toEqual(['file'])
    // And the next attempt, on a disk that works again, succeeds.
    replace()
    expect(readFileSync(path, 'utf8')).toBe('new')
  },
)
