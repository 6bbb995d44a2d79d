import { StudioError } from '../../errors.ts'
import type { SoftInpainting } from '../../image/softInpaint.ts'
import type { CommonFields, Endpoint } from './request.ts'
import { softInpaintingOf } from './softInpainting.ts'

/** Always-on scripts of the reference that do nothing when they are asked over the wire. */
const idleScripts: ReadonlySet<string> = new Set([
  'extra options',
  'hypertile',
  'refiner',
  'sampler',
  'seed',
  'comments',
])

/** Whether an entry of `alwayson_scripts` asks for nothing. Some clients name ControlNet whether they want it or not. */
export function isIdle(title: string, args: readonly unknown[]): boolean {
  const name = title.toLowerCase()
  return idleScripts.has(name) || (name === 'controlnet' && args.length === 0)
}

/** Refuses scripts that cannot be run; answers the settings of the one that can. */
export function scriptsOf(fields: CommonFields, endpoint: Endpoint): SoftInpainting | undefined {
  if (fields.script_name !== undefined && fields.script_name !== '' && fields.script_name !== 'None') {
    throw new StudioError('unsupported', `script_name: scripts cannot be run yet, found "${fields.script_name}"`, {
      field: 'script_name',
    })
  }
  let soft: SoftInpainting | undefined
  for (const [title, { args }] of Object.entries(fields.alwayson_scripts)) {
    const name = title.toLowerCase()
    const field = `alwayson_scripts.${title}`
    if (name === 'soft inpainting' && endpoint === 'img2img') soft = softInpaintingOf(args, `${field}.args`)
    else if (!isIdle(title, args)) {
      throw new StudioError('unknown-name', `${field}: there is no always-on script of this name for ${endpoint}`, {
        field,
      })
    }
  }
  return soft
}
