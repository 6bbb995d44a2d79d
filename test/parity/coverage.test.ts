import { expect, test } from 'vitest'
import { groupsOf, scriptGroups } from './groups.ts'
import { cases } from './recorded.ts'

test('every recorded group is replayed', () => {
  const replayed = Object.values(groupsOf).flat()
  expect([...replayed, ...scriptGroups].sort()).toEqual([...new Set(cases.map(({ group }) => group))].sort())
  expect(cases).toHaveLength(488)
})
