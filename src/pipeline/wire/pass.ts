import { resolveSampler, samplers } from '../../diffusion/samplers/index.ts'
import { findSchedule, scheduleList } from '../../diffusion/schedules.ts'
import { unknown } from '../library.ts'
import type { Pass } from '../recipe.ts'
import type { Names } from './names.ts'

/** Where a request says how to sample. */
export interface PassFields {
  readonly sampler: string
  readonly scheduler: string
}

const firstPass: PassFields = { sampler: 'sampler_name', scheduler: 'scheduler' }

/** The sampler and the scheduler of a request, whose names must be known unless it is read leniently. */
export function passOf(
  sampler: string,
  scheduler: string | undefined,
  steps: number,
  names: Names,
  fields: PassFields = firstPass,
): Pass {
  names.orElse(
    () => checkSampler(sampler, fields.sampler),
    () => undefined,
  )
  if (scheduler !== undefined)
    names.orElse(
      () => checkScheduler(scheduler, fields.scheduler),
      () => undefined,
    )
  const choice = resolveSampler(sampler, scheduler ?? automatic)
  return { steps, sampler: choice.sampler.label, scheduler: choice.scheduler }
}

const automatic = 'Automatic'
const spellings = scheduleList.flatMap(({ label, name }) => [label, name])

/** A sampler's label, alone or followed by a scheduler's name, as labels were before there was a field for those. */
export function checkSampler(name: string, field: string): void {
  const isKnown = samplers.some(
    ({ label }) => name === label || spellings.some((spelling) => name === `${label} ${spelling}`),
  )
  if (!isKnown)
    throw unknown(
      field,
      'sampler',
      name,
      samplers.map(({ label }) => ({ stem: label })),
    )
}

function checkScheduler(name: string, field: string): void {
  if (['', automatic, 'automatic'].includes(name) || findSchedule(name) !== undefined) return
  throw unknown(
    field,
    'scheduler',
    name,
    [automatic, ...scheduleList.map(({ label }) => label)].map((stem) => ({ stem })),
  )
}
