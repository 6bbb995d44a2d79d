import { expect, test } from 'vitest'
import type { WireJob, WirePicture } from '../../../src/server/native/schemas.ts'
import { afterEvent, endedOf, type Jobs, neighbour, picturesOf, waitingOf } from './jobs.ts'

function job(id: string, changes: Partial<WireJob> = {}): WireJob {
  return {
    id,
    kind: 'generate',
    state: 'queued',
    user: 'local',
    tag: null,
    title: id,
    priority: 0,
    submittedAt: '2026-01-01T00:00:00.000Z',
    startedAt: null,
    endedAt: null,
    attempts: 1,
    ahead: 0,
    progress: null,
    error: null,
    pictures: [],
    isInterrupted: false,
    ...changes,
  }
}

function picture(index: number): WirePicture {
  const name = `${index}.png`
  return {
    index,
    width: 64,
    height: 64,
    seed: index,
    infotext: '',
    url: name,
    firstPassUrl: null,
    byProducts: [],
    imageId: null,
  }
}

test('a job that is new to the page joins the end of the list, and a known one changes where it is', () => {
  const one = afterEvent([job('a')], { kind: 'queued', job: job('b') })
  expect(one.map(({ id }) => id)).toEqual(['a', 'b'])
  const two = afterEvent(one, { kind: 'started', job: job('a', { state: 'running' }) })
  expect(two.map(({ id, state }) => [id, state])).toEqual([
    ['a', 'running'],
    ['b', 'queued'],
  ])
})

test('pictures stay with a running job, in their order, until the job tells its own', () => {
  const running = job('a', { state: 'running' })
  let jobs: Jobs = [running]
  jobs = afterEvent(jobs, { kind: 'picture', job: running, picture: picture(1) })
  jobs = afterEvent(jobs, { kind: 'step', job: running })
  jobs = afterEvent(jobs, { kind: 'picture', job: running, picture: picture(0) })
  expect(jobs[0]?.pictures.map(({ index }) => index)).toEqual([0, 1])
  jobs = afterEvent(jobs, { kind: 'done', job: job('a', { state: 'done', pictures: [picture(2)] }) })
  expect(jobs[0]?.pictures.map(({ index }) => index)).toEqual([2])
})

test('a second attempt begins without the pictures of the first', () => {
  const first = job('a', { state: 'running' })
  const jobs = afterEvent([first], { kind: 'picture', job: first, picture: picture(0) })
  const again = afterEvent(jobs, { kind: 'started', job: job('a', { state: 'running', attempts: 2 }) })
  expect(again[0]?.pictures).toEqual([])
})

test('events without a job leave the list as it is', () => {
  const jobs = [job('a')]
  expect(afterEvent(jobs, { kind: 'paused' })).toBe(jobs)
})

test('ended jobs and pictures come newest first', () => {
  const ended = (id: string, endedAt: string) => job(id, { state: 'done', endedAt, pictures: [picture(0), picture(1)] })
  const jobs = [ended('old', '2026-01-01T00:00:01.000Z'), ended('new', '2026-01-01T00:00:02.000Z'), job('waiting')]
  expect(endedOf(jobs).map(({ id }) => id)).toEqual(['new', 'old'])
  expect(picturesOf(jobs).map(({ job: { id }, picture: { index } }) => `${id} ${index}`)).toEqual([
    ...['new 0', 'new 1', 'old 0', 'old 1'],
  ])
})

test('moving a job names the one it comes to stand before, and the ends of the queue hold', () => {
  const waiting = waitingOf([job('r', { state: 'running' }), job('a'), job('b'), job('c')])
  expect(neighbour(waiting, 'b', 'up')).toEqual({ before: 'a' })
  expect(neighbour(waiting, 'a', 'down')).toEqual({ before: 'c' })
  expect(neighbour(waiting, 'b', 'down')).toEqual({ before: null })
  expect(neighbour(waiting, 'a', 'up')).toBeUndefined()
  expect(neighbour(waiting, 'c', 'down')).toBeUndefined()
})
