import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { crc32c } from './crc32c.ts'
import { openEventFile } from './eventFile.ts'
import { openStepLog, readStepLog } from './stepLog.ts'

const folder = mkdtempSync(join(tmpdir(), 'athanor-log-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('CRC-32C gives the check values of RFC 3720', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e)
})

test('an event file is the bytes that TensorBoard was seen to read', () => {
  const file = openEventFile(folder, 3, () => 1_700_000_000_000)
  file.scalars(4, { loss: 0.5, 'learning rate': 0.001 })
  // Read back by tensorboard 2.21: version, start at step 3, loss 0.5 and learning rate 0.001 at step 4.
  expect(readFileSync(file.path).toString('base64')).toBe(
    'GAAAAAAAAACjf0siCQAAAED8VNlBGg1icmFpbi5FdmVudDoy7O2PnQ8AAAAAAAAAbVMrCQkAAABA/FTZQRADOgIIAcePLLwwAAAAAAAAAJX10F8JAAAAQPxU2UEQBCojCgsKBGxvc3MVAAAAPwoUCg1sZWFybmluZyByYXRlFW8SgzrtSGOj',
  )
})

test('a log that is opened again loses what came after the checkpoint, and a broken last line', () => {
  const path = join(folder, 'log.jsonl')
  const log = openStepLog(path, 0)
  for (const step of [1, 2, 3]) log.append({ step, loss: 1 / step })
  appendFileSync(path, '{"step":4,"lo')
  const again = openStepLog(path, 2)
  again.append({ step: 3, loss: 9 })
  expect(readStepLog(path)).toEqual([
    { step: 1, loss: 1 },
    { step: 2, loss: 0.5 },
    { step: 3, loss: 9 },
  ])
})
