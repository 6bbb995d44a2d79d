import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { openEventFile, openPictureEventFile } from './eventFile.ts'
import { EventLogs, readPicture } from './eventLogs.ts'
import { EventFileReader } from './readEvents.ts'

const root = mkdtempSync(join(tmpdir(), 'athanor-events-'))
afterAll(() => rmSync(root, { recursive: true }))

/** Written by TensorBoard's own classes, and what its server says of them: scripts/goldens/eventFiles.py. */
const recorded = new URL('goldens/', import.meta.url)
const expected = JSON.parse(readFileSync(new URL('events.json', recorded), 'utf8')) as {
  readonly scalars: Readonly<
    Record<string, Readonly<Record<string, readonly (readonly [number, number, number | string])[]>>>
  >
}

test('files of TensorBoard’s writers are read as TensorBoard reads them', () => {
  const runs = new EventLogs(fileURLToPath(new URL('events', recorded))).refresh()
  const read = runs.map(({ name, scalars }) => [
    name,
    Object.fromEntries(
      [...scalars].map(([tag, points]) => [
        tag,
        // TensorBoard's JSON spells what JSON has no numbers for.
        points.map(({ wallTime, step, value }) => [wallTime, step, Number.isFinite(value) ? value : String(value)]),
      ]),
    ),
  ])
  expect(Object.fromEntries(read)).toEqual(expected.scalars)
})

test('a run that grows is read on, and one that begins again forgets what it had logged later', () => {
  const folder = join(root, 'grows', 'network_train')
  const logs = new EventLogs(join(root, 'grows'))
  const file = openEventFile(folder, 1, () => 1_700_000_000_000)
  file.scalars(1, { loss: 3 })
  const stepsOf = () =>
    logs.refresh().map(({ name, scalars }) => [name, scalars.get('loss')?.map(({ step, value }) => [step, value])])
  expect(stepsOf()).toEqual([['network_train', [[1, 3]]]])
  file.scalars(2, { loss: 2 })
  file.scalars(3, { loss: 1 })
  expect(stepsOf()).toEqual([
    [
      'network_train',
      [
        [1, 3],
        [2, 2],
        [3, 1],
      ],
    ],
  ])
  const again = openEventFile(folder, 3, () => 1_700_000_100_000)
  again.scalars(3, { loss: 0.5 })
  expect(stepsOf()).toEqual([
    [
      'network_train',
      [
        [1, 3],
        [2, 2],
        [3, 0.5],
      ],
    ],
  ])
})

test('pictures are found where they lie and change no scalar', () => {
  const folder = join(root, 'pictures')
  openEventFile(folder, 1, () => 1000).scalars(5, { loss: 1 })
  const png = Uint8Array.from([137, 80, 78, 71, 13, 10, 26, 10, 1, 2, 3])
  openPictureEventFile(folder, () => 2000).picture(2, 'sample/0', png, { width: 1, height: 1 })
  const [run] = new EventLogs(folder).refresh()
  expect(run!.name).toBe('.')
  expect(run!.scalars.get('loss')).toEqual([{ wallTime: 1, step: 5, value: 1 }])
  const [picture] = run!.pictures.get('sample/0')!
  expect(picture).toMatchObject({ wallTime: 2, step: 2 })
  expect(readPicture(picture!.place)).toEqual({ bytes: png, type: 'image/png' })
})

test('whatever a file holds, it is read to its first wrong byte and never beyond', () => {
  const folder = join(root, 'broken')
  const file = openEventFile(folder, 1, () => 1000)
  for (let step = 1; step <= 4; step++) file.scalars(step, { loss: step })
  const whole = readFileSync(file.path)
  const stepsIn = (bytes: Uint8Array) => {
    const path = join(root, 'one')
    writeFileSync(path, bytes)
    const reader = new EventFileReader(path)
    const events = reader.more()
    return {
      steps: events.flatMap((event) => (event.kind === 'scalar' ? [event.step] : [])),
      isBroken: reader.isBroken,
    }
  }
  expect(stepsIn(whole)).toEqual({ steps: [1, 2, 3, 4], isBroken: false })
  expect(stepsIn(new Uint8Array())).toEqual({ steps: [], isBroken: false })
  for (let at = 0; at < whole.length; at++) {
    const changed = Uint8Array.from(whole)
    changed[at]! ^= 0x10
    // The records before the changed one are there, and none is different.
    const { steps } = stepsIn(changed)
    expect(steps).toEqual([1, 2, 3, 4].slice(0, steps.length))
    expect(steps.length).toBeLessThan(4)
    expect(stepsIn(whole.subarray(0, at)).isBroken).toBe(false)
  }
  const claims = new Uint8Array(12)
  new DataView(claims.buffer).setBigUint64(0, 2n ** 62n, true)
  expect(stepsIn(claims)).toEqual({ steps: [], isBroken: true })
})

test('half a record is waited for', () => {
  const folder = join(root, 'half')
  const file = openEventFile(folder, 1, () => 1000)
  file.scalars(1, { loss: 1 })
  const whole = readFileSync(file.path)
  truncateSync(file.path, whole.length - 5)
  const reader = new EventFileReader(file.path)
  expect(reader.more().filter(({ kind }) => kind === 'scalar')).toEqual([])
  appendFileSync(file.path, whole.subarray(-5))
  expect(reader.more()).toMatchObject([{ kind: 'scalar', step: 1, value: 1 }])
})

test('links out of the folder of logs are not followed', () => {
  const outside = join(root, 'outside')
  openEventFile(outside, 1, () => 1000).scalars(1, { loss: 1 })
  const logs = join(root, 'linked')
  mkdirSync(logs)
  symlinkSync(outside, join(logs, 'run'))
  expect(new EventLogs(logs).refresh()).toEqual([])
})

test('what is logged as a picture but is none is not given away', () => {
  const folder = join(root, 'fake')
  openPictureEventFile(folder, () => 2000).picture(1, 'x', new TextEncoder().encode('<script>'), {
    width: 1,
    height: 1,
  })
  const [run] = new EventLogs(folder).refresh()
  expect(() => readPicture(run!.pictures.get('x')![0]!.place)).toThrow('neither PNG nor JPEG')
})
