import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { trainClip } from '../src/train/clipRun.ts'
import { readStepLog } from '../src/train/log/stepLog.ts'
import { allOf, tinyClip, writeTinyDrawings } from './train/tinyRuns.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const dataDir = mkdtempSync(join(tmpdir(), 'athanor-kill-'))
afterAll(() => rmSync(dataDir, { recursive: true }))

const losses = (folder: string) => readStepLog(join(folder, 'log.jsonl')).map(({ seconds, ...line }) => line)

/** Runs the command until it prints this, then kills it without warning; or to its end. */
function train(until: RegExp | undefined): Promise<NodeJS.Signals | number | null> {
  const command = ['--import', 'tsx', join(root, 'src', 'cli', 'main.ts'), 'train', 'clip']
  const options = ['--config', join(dataDir, 'tiny.json'), '--data-dir', dataDir, '--threads', '1']
  const child = spawn(process.execPath, [...command, ...options], { cwd: root })
  let printed = ''
  child.stdout.on('data', (text) => {
    printed += text
    if (until?.test(printed)) child.kill('SIGKILL')
  })
  child.stderr.on('data', (text) => {
    printed += text
  })
  return new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)))
}

test('a command killed again and again has in the end the loss curve of one that never was', async () => {
  await writeTinyDrawings(dataDir)
  writeFileSync(join(dataDir, 'tiny.json'), JSON.stringify(tinyClip))
  const whole = join(dataDir, 'whole')
  await allOf(trainClip(tinyClip, { dataDir, folder: whole, threads: 1 }))

  for (const until of [/step 1\//, /saved step 3/]) expect(await train(until)).toBe('SIGKILL')
  expect(await train(undefined)).toBe(0)
  const folder = join(dataDir, 'training', 'tiny')
  expect(existsSync(join(folder, 'checkpoint.safetensors'))).toBe(true)
  expect(losses(folder)).toEqual(losses(whole))
})
