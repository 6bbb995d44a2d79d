import type { TrainedModule } from './network.ts'
import { tensorName } from './network.ts'
import type { LoraSettings } from './settings.ts'

/** Tensors that learn at one rate, as kohya names the group in logs. */
export interface RateGroup {
  /** `textencoder`, `unet`, `unet plus`, `unet_block3` … */
  readonly name: string
  readonly rate: number
  readonly tensors: readonly string[]
}

/** The parts that begin as zeros, which LoRA+ lets learn faster. */
const zeroParts: ReadonlySet<string> = new Set(['lora_up.weight', 'hada_w2_a', 'lokr_w2', 'lokr_w2_a'])

/** The groups of a network's tensors in kohya's order: by model, by block in the order of use, the faster part last. */
export function rateGroups(modules: readonly TrainedModule[], { rates }: LoraSettings): readonly RateGroup[] {
  const groups = new Map<string, { rate: number; tensors: string[] }>()
  const add = (name: string, rate: number, tensors: readonly string[]) => {
    const group = groups.get(name) ?? { rate, tensors: [] }
    group.tensors.push(...tensors)
    groups.set(name, group)
  }
  for (const model of ['text', 'unet'] as const) {
    const own = modules.filter(({ layer }) => layer.model === model)
    for (const block of new Set(own.map(({ layer }) => (rates.blocks ? layer.block : undefined)))) {
      const inBlock = own.filter(({ layer }) => block === undefined || layer.block === block)
      const label = model === 'text' ? 'textencoder' : block === undefined ? 'unet' : `unet_block${block}`
      const rate = rates[model] * (block === undefined ? 1 : (rates.blocks?.[block] ?? 1))
      const names = (isZero: boolean) =>
        inBlock.flatMap((module) =>
          module.parts.filter((part) => zeroParts.has(part.name) === isZero).map((part) => tensorName(module, part)),
        )
      const plus = rates.plus[model]
      if (rate === 0) continue
      if (plus === 1)
        add(
          label,
          rate,
          inBlock.flatMap((module) => module.parts.map((part) => tensorName(module, part))),
        )
      else {
        add(label, rate, names(false))
        add(`${label} plus`, rate * plus, names(true))
      }
    }
  }
  return [...groups].map(([name, group]) => ({ name, ...group }))
}

/** The rate of each tensor by name; 0 for what does not learn. */
export function rateOf(groups: readonly RateGroup[]): (name: string) => number {
  const rates = new Map(groups.flatMap(({ rate, tensors }) => tensors.map((name) => [name, rate] as const)))
  return (name) => rates.get(name) ?? 0
}

/** The rates of the groups under a schedule's factor, and with an optimizer's own estimate d, as they are logged. */
export function rateScalars(groups: readonly RateGroup[], factor: number, d?: number): Record<string, number> {
  const scalars: Record<string, number> = {}
  for (const [i, { name, rate }] of groups.entries()) {
    const now = rate * factor
    // The original names every group but the text encoder's by its number as well.
    for (const tag of [name, ...(name === 'textencoder' ? [] : [`group${i}`])]) {
      scalars[`lr/${tag}`] = now
      if (d !== undefined) scalars[`lr/d*lr/${tag}`] = d * now
    }
  }
  return scalars
}
