import { findSchedule, type ScheduleLabel, scheduleList } from '../schedules.ts'
import { ddim, ddimCfgpp } from './ddim.ts'
import { dpm2, dpm2Ancestral } from './dpm2.ts'
import { dpmAdaptive } from './dpmAdaptive.ts'
import { dpmFast } from './dpmFast.ts'
import { dpmpp2m } from './dpmpp2m.ts'
import { dpmpp2mSde, dpmpp2mSdeHeun } from './dpmpp2mSde.ts'
import { dpmpp2sAncestral } from './dpmpp2sAncestral.ts'
import { dpmpp3mSde } from './dpmpp3mSde.ts'
import { dpmppSde } from './dpmppSde.ts'
import { euler, eulerAncestral } from './euler.ts'
import { heun } from './heun.ts'
import { lcm } from './lcm.ts'
import { lms } from './lms.ts'
import { plms } from './plms.ts'
import { restart } from './restart.ts'
import type { Sampler, TimestepSampler } from './sampler.ts'
import { unipc } from './unipc.ts'

/** How a stepping rule is started: over σ, between two σ of its own spacing, on consistency levels, or over timesteps. */
type Stepping =
  | { readonly kind: 'sigmas' | 'ends' | 'consistency'; readonly run: Sampler }
  | { readonly kind: 'timesteps'; readonly run: TimestepSampler }

/** A sampler as A1111 offers it. */
export type SamplerInfo = Stepping & {
  readonly label: string
  /** Names of other tools; requests may not use them. */
  readonly aliases: readonly string[]
  /** What the scheduler "Automatic" means; absent where the model's own uniform spacing is meant. */
  readonly schedule?: ScheduleLabel
  /** Model calls a step, by which prompt schedules count. */
  readonly callsPerStep: 1 | 2
  /** One step more is spaced, and the last level above 0 left out. */
  readonly discardsPenultimate?: true
  /** Fresh noise is a Brownian motion and not drawn from the images' generators. */
  readonly isBrownian?: true
  /** Which of the two eta settings it takes. */
  readonly eta?: 'ancestral' | 'ddim'
  /** Whether the noise factor, or that and the churn settings, reach it. */
  readonly takes?: 'sNoise' | 'churn'
  /** Whether infotexts tell the eta noise seed delta. */
  readonly tellsSeedDelta?: true
  /** Factor on the guidance scale. */
  readonly cfgFactor?: number
}

/** Every sampler, in the order A1111 lists them; the first is the default. */
export const samplers: readonly SamplerInfo[] = [
  { label: 'DPM++ 2M', aliases: ['k_dpmpp_2m'], kind: 'sigmas', run: dpmpp2m, schedule: 'Karras', callsPerStep: 1 },
  {
    label: 'DPM++ SDE',
    aliases: ['k_dpmpp_sde'],
    kind: 'sigmas',
    run: dpmppSde,
    schedule: 'Karras',
    callsPerStep: 2,
    isBrownian: true,
    eta: 'ancestral',
    takes: 'sNoise',
  },
  {
    label: 'DPM++ 2M SDE',
    aliases: ['k_dpmpp_2m_sde'],
    kind: 'sigmas',
    run: dpmpp2mSde,
    schedule: 'Exponential',
    callsPerStep: 1,
    isBrownian: true,
    eta: 'ancestral',
    takes: 'sNoise',
  },
  {
    label: 'DPM++ 2M SDE Heun',
    aliases: ['k_dpmpp_2m_sde_heun'],
    kind: 'sigmas',
    run: dpmpp2mSdeHeun,
    schedule: 'Exponential',
    callsPerStep: 1,
    isBrownian: true,
    eta: 'ancestral',
    takes: 'sNoise',
  },
  {
    label: 'DPM++ 2S a',
    aliases: ['k_dpmpp_2s_a'],
    kind: 'sigmas',
    run: dpmpp2sAncestral,
    schedule: 'Karras',
    callsPerStep: 2,
    eta: 'ancestral',
    takes: 'sNoise',
    tellsSeedDelta: true,
  },
  {
    label: 'DPM++ 3M SDE',
    aliases: ['k_dpmpp_3m_sde'],
    kind: 'sigmas',
    run: dpmpp3mSde,
    schedule: 'Exponential',
    callsPerStep: 1,
    discardsPenultimate: true,
    isBrownian: true,
    eta: 'ancestral',
    takes: 'sNoise',
  },
  {
    label: 'Euler a',
    aliases: ['k_euler_a', 'k_euler_ancestral'],
    kind: 'sigmas',
    run: eulerAncestral,
    callsPerStep: 1,
    eta: 'ancestral',
    tellsSeedDelta: true,
  },
  { label: 'Euler', aliases: ['k_euler'], kind: 'sigmas', run: euler, callsPerStep: 1, takes: 'churn' },
  { label: 'LMS', aliases: ['k_lms'], kind: 'sigmas', run: lms, callsPerStep: 1 },
  { label: 'Heun', aliases: ['k_heun'], kind: 'sigmas', run: heun, callsPerStep: 2, takes: 'churn' },
  {
    label: 'DPM2',
    aliases: ['k_dpm_2'],
    kind: 'sigmas',
    run: dpm2,
    schedule: 'Karras',
    callsPerStep: 2,
    discardsPenultimate: true,
    takes: 'churn',
  },
  {
    label: 'DPM2 a',
    aliases: ['k_dpm_2_a'],
    kind: 'sigmas',
    run: dpm2Ancestral,
    schedule: 'Karras',
    callsPerStep: 2,
    discardsPenultimate: true,
    eta: 'ancestral',
    takes: 'sNoise',
    tellsSeedDelta: true,
  },
  {
    label: 'DPM fast',
    aliases: ['k_dpm_fast'],
    kind: 'ends',
    run: dpmFast,
    callsPerStep: 1,
    eta: 'ancestral',
    takes: 'sNoise',
    tellsSeedDelta: true,
  },
  {
    label: 'DPM adaptive',
    aliases: ['k_dpm_ad'],
    kind: 'ends',
    run: dpmAdaptive,
    callsPerStep: 1,
    eta: 'ancestral',
    tellsSeedDelta: true,
  },
  { label: 'Restart', aliases: ['restart'], kind: 'sigmas', run: restart, schedule: 'Karras', callsPerStep: 2 },
  { label: 'DDIM', aliases: ['ddim'], kind: 'timesteps', run: ddim, callsPerStep: 1, eta: 'ddim' },
  {
    label: 'DDIM CFG++',
    aliases: ['ddim_cfgpp'],
    kind: 'timesteps',
    run: ddimCfgpp,
    callsPerStep: 1,
    eta: 'ddim',
    cfgFactor: 1 / 12.5,
  },
  { label: 'PLMS', aliases: ['plms'], kind: 'timesteps', run: plms, callsPerStep: 1 },
  { label: 'UniPC', aliases: ['unipc'], kind: 'timesteps', run: unipc, callsPerStep: 1 },
  { label: 'LCM', aliases: ['k_lcm'], kind: 'consistency', run: lcm, callsPerStep: 1 },
]

const automatic = { label: 'Automatic', name: 'automatic', alias: undefined } as const

/** What a request asks to sample with. */
export interface SamplerChoice {
  readonly sampler: SamplerInfo
  /** `Automatic` leaves the spacing to the sampler. */
  readonly scheduler: ScheduleLabel | 'Automatic'
  /** The spacing that this comes to; undefined for the model's own uniform one. */
  readonly schedule: ScheduleLabel | undefined
}

/**
 * The sampler and scheduler of a request, as A1111 1.10 understands names: labels exactly as spelled, a scheduler's
 * name after the sampler's wins over the one asked for, and what is unknown is the first sampler, or Automatic.
 */
export function resolveSampler(name: string, scheduler: string): SamplerChoice {
  let chosen = findSchedule(scheduler)
  let label = name
  for (const { label: schedule, name, alias } of [automatic, ...scheduleList]) {
    const ending = [schedule, name, alias].find((each) => each !== undefined && label.endsWith(` ${each}`))
    if (ending !== undefined) {
      chosen = schedule === 'Automatic' ? undefined : schedule
      label = label.slice(0, -ending.length - 1)
    }
  }
  const sampler = samplers.find((each) => each.label === label) ?? samplers[0]!
  return {
    sampler,
    scheduler: chosen === undefined || chosen === sampler.schedule ? 'Automatic' : chosen,
    schedule: chosen ?? sampler.schedule,
  }
}
