/**
 * Prints lines per folder and file of src/, and the change since a git revision (`npm run sizes -- main`).
 * It informs and never fails: a file past 300 lines is listed with a question, not an error.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'

const longFile = 300
const base = process.argv[2]

const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8', maxBuffer: 1 << 28 })
const listed = (text: string) => text.split('\n').filter((name) => name.startsWith('src/') && name.endsWith('.ts'))
const countLines = (text: string) => text.split('\n').length - 1

interface Size {
  readonly source: number
  readonly test: number
}

function sizesOf(names: readonly string[], read: (name: string) => string): Map<string, Size> {
  const folders = new Map<string, Size>()
  for (const name of names) {
    const lines = countLines(read(name))
    const { source, test } = folders.get(dirname(name)) ?? { source: 0, test: 0 }
    const isTest = name.endsWith('.test.ts')
    folders.set(dirname(name), { source: source + (isTest ? 0 : lines), test: test + (isTest ? lines : 0) })
  }
  return folders
}

const names = listed(git('ls-files', 'src'))
const now = sizesOf(names, (name) => readFileSync(name, 'utf8'))
const before = base
  ? sizesOf(listed(git('ls-tree', '-r', '--name-only', base, 'src')), (name) => git('show', `${base}:${name}`))
  : undefined

const row = (name: string, source: string, test: string, change: string) =>
  console.log(`${name.padEnd(28)}${source.padStart(8)}${test.padStart(8)}${change.padStart(9)}`)

row('folder', 'source', 'tests', before ? 'change' : '')
const total = { source: 0, test: 0 }
for (const [folder, { source, test }] of [...now].sort()) {
  const change = before ? source - (before.get(folder)?.source ?? 0) : 0
  row(folder, String(source), String(test), change === 0 ? '' : `${change > 0 ? '+' : ''}${change}`)
  total.source += source
  total.test += test
}
row('total', String(total.source), String(total.test), '')

const long = names.filter((name) => !name.endsWith('.test.ts') && countLines(readFileSync(name, 'utf8')) > longFile)
for (const name of long) console.log(`${name}: ${countLines(readFileSync(name, 'utf8'))} lines. Two ideas?`)
