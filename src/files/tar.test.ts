import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { StudioError } from '../errors.ts'
import { readTar } from './tar.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-tar-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function packed(...flags: readonly string[]): Uint8Array {
  const deep = join(folder, 'data', 'd'.repeat(90), 'e'.repeat(90))
  mkdirSync(deep, { recursive: true })
  writeFileSync(join(folder, 'data', 'a.txt'), 'one')
  writeFileSync(join(folder, 'data', 'empty'), '')
  writeFileSync(join(deep, '猫.bin'), Buffer.alloc(1500, 7))
  execFileSync('tar', ['-cf', join(folder, 'x.tar'), ...flags, '-C', folder, 'data'])
  return readFileSync(join(folder, 'x.tar'))
}

test.each(['--format=ustar', '--format=gnu', '--format=pax'])('files come out as tar %s packed them', (format) => {
  const files = new Map([...readTar(packed(format), 'x.tar')].map(({ name, bytes }) => [name, bytes]))
  expect(Buffer.from(files.get('data/a.txt')!).toString()).toBe('one')
  expect(files.get('data/empty')).toHaveLength(0)
  const long = [...files.keys()].find((name) => name.endsWith('猫.bin'))
  expect(long).toBe(`data/${'d'.repeat(90)}/${'e'.repeat(90)}/猫.bin`)
  expect(files.get(long!)).toHaveLength(1500)
})

test('an archive that promises more than it holds is refused', () => {
  const archive = packed('--format=ustar')
  expect(() => [...readTar(archive.subarray(0, archive.lastIndexOf(7)), 'x.tar')]).toThrow(/bytes are announced/)
})

test('flipped bytes never crash or hang the reader', () => {
  const archive = packed('--format=gnu')
  fc.assert(
    fc.property(fc.nat(archive.length - 1), fc.nat(255), (at, byte) => {
      const broken = archive.slice()
      broken[at] = byte
      try {
        for (const { bytes } of readTar(broken, 'x.tar')) expect(bytes.length).toBeLessThanOrEqual(archive.length)
      } catch (error) {
        expect(error).toBeInstanceOf(StudioError)
      }
    }),
    { numRuns: 500 },
  )
})
