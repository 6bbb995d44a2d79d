import { samplers } from '../diffusion/samplers/index.ts'
import { scheduleList } from '../diffusion/schedules.ts'
import { softInpaintingDefaults as soft } from '../image/softInpaint.ts'
import type { Endpoint } from '../pipeline/wire/request.ts'
import type { ArgumentInfo } from './arguments.ts'
import { scripts } from './index.ts'
import type { Names } from './names.ts'

/** What `script-info` tells of a script. */
interface ScriptInfo {
  readonly name: string
  readonly is_alwayson: boolean
  readonly is_img2img: boolean
  readonly args: readonly ArgumentInfo[]
}

/** A script that is always on: none is run for its own sake, and only soft inpainting takes arguments over the wire. */
interface AlwaysOn {
  readonly title: string
  readonly endpoints: readonly Endpoint[]
  /** Undefined where the reference describes none. */
  readonly args: ((names: Names) => readonly ArgumentInfo[]) | undefined
}

const both = ['txt2img', 'img2img'] as const
const bare = { minimum: null, maximum: null, step: null, choices: null } as const

const flag = (label: string, value: boolean): ArgumentInfo => ({ label, value, ...bare })
const pick = (label: string, value: string, choices: readonly string[]) => ({ label, value, ...bare, choices })
const range = (
  label: string,
  value: number,
  [minimum, maximum, step]: readonly [number | null, number | null, number],
) => ({
  label,
  value,
  minimum,
  maximum,
  step,
  choices: null,
})

const alwaysOn: readonly AlwaysOn[] = [
  { title: 'extra options', endpoints: both, args: () => [] },
  { title: 'Hypertile', endpoints: both, args: undefined },
  {
    title: 'soft inpainting',
    endpoints: ['img2img'],
    args: () => [
      flag('Soft inpainting', false),
      range('Schedule bias', soft.scheduleBias, [0, 8, 0.1]),
      range('Preservation strength', soft.preservationStrength, [0, 8, 0.05]),
      range('Transition contrast boost', soft.transitionContrastBoost, [1, 32, 0.5]),
      range('Mask influence', soft.maskInfluence, [0, 1, 0.05]),
      range('Difference threshold', soft.differenceThreshold, [0, 8, 0.25]),
      range('Difference contrast', soft.differenceContrast, [0, 8, 0.25]),
    ],
  },
  {
    title: 'refiner',
    endpoints: both,
    args: ({ checkpoints }) => [
      flag('Refiner', false),
      pick('Checkpoint', '', checkpoints),
      range('Switch at', 0.8, [0.01, 1, 0.01]),
    ],
  },
  {
    title: 'sampler',
    endpoints: both,
    args: () => [
      range('Sampling steps', 20, [1, 150, 1]),
      pick(
        'Sampling method',
        samplers[0]!.label,
        samplers.map(({ label }) => label),
      ),
      pick('Schedule type', 'Automatic', ['Automatic', ...scheduleList.map(({ label }) => label)]),
    ],
  },
  {
    title: 'seed',
    endpoints: both,
    args: () => [
      range('Seed', -1, [null, null, 1]),
      flag('Extra', false),
      range('Variation seed', -1, [null, null, 1]),
      range('Variation strength', 0, [0, 1, 0.01]),
      range('Resize seed from width', 0, [0, 2048, 8]),
      range('Resize seed from height', 0, [0, 2048, 8]),
    ],
  },
]

/** Titles of an endpoint's scripts: those to choose from, then those that are always on. */
export function scriptTitles(endpoint: Endpoint): readonly string[] {
  return [...scripts, ...alwaysOn].filter(({ endpoints }) => endpoints.includes(endpoint)).map(({ title }) => title)
}

/** Every script of both endpoints with its arguments. */
export function scriptInfo(names: Names): readonly ScriptInfo[] {
  return both.flatMap((endpoint) => {
    const about = { is_img2img: endpoint === 'img2img' }
    const chosen = scripts.filter(({ endpoints }) => endpoints.includes(endpoint))
    const always = alwaysOn.filter(({ endpoints, args }) => endpoints.includes(endpoint) && args !== undefined)
    return [
      ...chosen.map(({ title, args }) => ({
        name: title,
        is_alwayson: false,
        ...about,
        args: args(endpoint, names).map(({ info }) => info),
      })),
      ...always.map(({ title, args }) => ({ name: title, is_alwayson: true, ...about, args: args?.(names) ?? [] })),
    ]
  })
}
