import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TurnOrder, type Waiting } from './order.ts'

let places = 0
const job = (id: string, user: string, rest: Partial<Waiting> = {}): Waiting => ({
  id,
  user,
  priority: 0,
  place: ++places,
  checkpoint: undefined,
  passedOver: 0,
  ...rest,
})

function orderOf(...jobs: readonly Waiting[]): TurnOrder<Waiting> {
  const order = new TurnOrder<Waiting>()
  for (const each of jobs) order.add(each)
  return order
}

const nobody: ReadonlySet<string> = new Set()
const drain = (order: TurnOrder<Waiting>, held?: string, others = nobody) => {
  const ids: string[] = []
  for (let next = order.next(held, others); next; next = order.next(held, others)) ids.push(next.id)
  return ids
}

test('one user is served in order of priority, then of place', () => {
  const order = orderOf(job('a', 'u'), job('b', 'u', { priority: 5 }), job('c', 'u'), job('d', 'u', { priority: 5 }))
  expect(order.expected().map(({ id }) => id)).toEqual(['b', 'd', 'a', 'c'])
  expect(drain(order)).toEqual(['b', 'd', 'a', 'c'])
})

test('a second user comes next, however many jobs the first one has waiting', () => {
  const order = orderOf(...Array.from({ length: 500 }, (_, i) => job(`a${i}`, 'a')))
  expect(order.next(undefined, nobody)?.id).toBe('a0')
  order.add(job('b0', 'b'))
  order.add(job('b1', 'b'))
  expect(order.expected().slice(0, 4).map(({ id }) => id)).toEqual(['b0', 'a1', 'b1', 'a2']) // biome-ignore format: one idea
  expect(['b0', 'a1', 'b1', 'a2']).toEqual(Array.from({ length: 4 }, () => order.next(undefined, nobody)?.id))
})

test('jobs that want the checkpoint in memory go first, but nobody is passed over for ever', () => {
  const order = orderOf(
    job('other', 'u', { checkpoint: 'y' }),
    ...Array.from({ length: 10 }, (_, i) => job(`x${i}`, 'u', { checkpoint: 'x' })),
  )
  expect(drain(order, 'x').indexOf('other')).toBe(4)
})

test('a higher priority is not passed over for a checkpoint', () => {
  const order = orderOf(job('low', 'u', { checkpoint: 'x' }), job('high', 'u', { checkpoint: 'y', priority: 1 }))
  expect(drain(order, 'x')).toEqual(['high', 'low'])
})

test('another user goes first only where a second worker holds what the first one wants', () => {
  const jobs = () => [job('a', 'a', { checkpoint: 'y' }), job('b', 'b', { checkpoint: 'x' })] as const
  expect(orderOf(...jobs()).next('x', nobody)?.id).toBe('a')
  expect(orderOf(...jobs()).next('x', new Set(['y']))?.id).toBe('b')
})

test('every job comes out exactly once, and no user waits while another is served twice', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          user: fc.constantFrom('a', 'b', 'c'),
          priority: fc.integer({ min: 0, max: 2 }),
          checkpoint: fc.constantFrom('x', 'y', undefined),
        }),
        { maxLength: 40 },
      ),
      fc.constantFrom('x', 'y', undefined),
      (specs, held) => {
        const jobs = specs.map(({ user, ...rest }, i) => job(String(i), user, rest))
        const order = orderOf(...jobs)
        const users = new Map(jobs.map(({ id, user }) => [id, user]))
        const served = drain(order, held)
        expect([...served].sort()).toEqual(jobs.map(({ id }) => id).sort())
        expect(order.size).toBe(0)
        for (let i = 1; i < served.length; i++) {
          const user = users.get(served[i]!)
          const isTwice = user === users.get(served[i - 1]!)
          const others = served.slice(i + 1).filter((id) => users.get(id) !== user)
          expect(isTwice && others.length > 0).toBe(false)
        }
      },
    ),
  )
})
