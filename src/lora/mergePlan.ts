import { type Merge, type NetworkPlan, type NetworkUse, planNetworks } from './plan.ts'

/** A plan by which all of the networks goes into the weights, and nothing runs beside a layer. */
export function mergePlan(uses: readonly NetworkUse[]): NetworkPlan {
  const { merges, branches } = planNetworks(uses)
  const all = new Map<string, readonly Merge[]>(merges)
  for (const [path, chain] of branches) {
    const added = chain.map(({ adapter, strength }) => ({ adapter, strength: Number(strength) }))
    all.set(path, [...(all.get(path) ?? []), ...added])
  }
  return { merges: all, branches: new Map() }
}
