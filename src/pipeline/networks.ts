import { openWeights } from '../files/openWeights.ts'
import { stampOf } from '../files/remembered.ts'
import type { WeightEntry } from '../files/weights.ts'
import { attachBranches, branchFeeds, type Reach, reachOf } from '../lora/attach.ts'
import { type FittedNetwork, fitNetwork } from '../lora/fit.ts'
import { mergeNetworks } from '../lora/merge.ts'
import { openNetwork } from '../lora/network.ts'
import { isVaried, type NetworkPlan, type NetworkUse, planNetworks, planOfPicture } from '../lora/plan.ts'
import type { Adapter } from '../nn/scope.ts'
import type { Feed } from '../runtime/session.ts'
import type { Model } from './model.ts'
import type { ReadySession, SessionPool } from './sessionPool.ts'

/** A model with the networks of a prompt upon it. */
export interface AdaptedModel {
  readonly model: Model
  readonly weights: ReadonlyMap<string, WeightEntry>
  /** Equal where checkpoint and merged networks are; networks beside layers are fed and change nothing here. */
  readonly key: string
  /** What runs beside the layers of one part of the model, where anything does. */
  branches(part: Part): { readonly reach: Reach; readonly adapter: Adapter } | undefined
  /** The pictures of a batch have networks at strengths of their own. */
  readonly isVaried: boolean
  /** What its session is fed for them, for so many rows of a picture of the batch. */
  feeds(session: ReadySession, rows: number, picture: number): Readonly<Record<string, Feed>>
}

export type Part = 'text' | 'unet'

/** A network prompts ask for: where it is and how strongly it works, in all pictures of a batch or in each. */
export interface AskedNetwork extends Omit<NetworkUse, 'network'> {
  readonly path: string
}

/** Fitted networks kept in memory: some hundred megabytes at most. */
const keptNetworks = 8

/** A network's file, as it was when it was read, fitted to a model. */
interface Fitted {
  readonly model: Model
  readonly path: string
  readonly stamp: string
  readonly network: FittedNetwork
}

/** Puts networks upon models; remembers the ones used last. */
export class NetworkShelf {
  readonly #pool: SessionPool
  #fitted: Fitted[] = []
  #latest: { readonly model: Model; readonly key: string; readonly adapted: Promise<AdaptedModel> } | undefined

  constructor(pool: SessionPool) {
    this.#pool = pool
  }

  /** The model with these networks, in this order. */
  adapt(model: Model, asked: readonly AskedNetwork[]): Promise<AdaptedModel> {
    const key = JSON.stringify(
      asked.map((use) => ({ ...use, blocks: use.blocks && [...use.blocks], stamp: stampOf(use.path) })),
    )
    if (this.#latest?.model === model && this.#latest.key === key) return this.#latest.adapted
    const adapted = this.#adapt(model, asked, key)
    this.#latest = { model, key, adapted }
    adapted.catch(() => {
      this.#latest = undefined
    })
    return adapted
  }

  /** Whether a network runs beside the model's layers, so that each picture of a batch may have it at its own strength. */
  runsBeside(model: Model, path: string): boolean {
    return planNetworks([{ network: this.#fit(model, path), text: 1, unet: 1 }]).merges.size === 0
  }

  /** Forgets everything that was read. */
  clear(): void {
    this.#fitted = []
    this.#latest = undefined
  }

  async #adapt(model: Model, asked: readonly AskedNetwork[], key: string): Promise<AdaptedModel> {
    const plan = planNetworks(asked.map(({ path, ...use }) => ({ ...use, network: this.#fit(model, path) })))
    const modelKey = `${model.checkpoint.path}|${model.vae?.path ?? ''}`
    if (plan.merges.size === 0) return adapted(model, model.weights, plan, modelKey)
    const merged = await mergeNetworks(model.weights, plan, (graph) => this.#pool.compile('mapped', graph))
    return adapted(model, new Map([...model.weights, ...merged]), plan, `${modelKey}|${key}`)
  }

  #fit(model: Model, path: string): FittedNetwork {
    const stamp = stampOf(path)
    const isKnown = (entry: Fitted) => entry.model === model && entry.path === path && entry.stamp === stamp
    const known = this.#fitted.find(isKnown)
    const entry = known ?? { model, path, stamp, network: fitNetwork(openNetwork(openWeights(path)), model.weights) }
    this.#fitted = [...this.#fitted.filter((other) => other !== entry), entry].slice(-keptNetworks)
    return entry.network
  }
}

function adapted(model: Model, weights: Model['weights'], plan: NetworkPlan, key: string): AdaptedModel {
  const hasOwnStrengths = isVaried(plan)
  const known = new Map<ReadySession, Map<number, Readonly<Record<string, Feed>>>>()
  return {
    model,
    weights,
    key,
    branches(part) {
      const branches = new Map([...plan.branches].filter(([path]) => partOf(path) === part))
      if (branches.size === 0) return undefined
      const reach = reachOf({ ...plan, branches })
      return { reach, adapter: attachBranches(reach) }
    },
    isVaried: hasOwnStrengths,
    feeds(session, rows, picture) {
      // Of each picture's own a set is made anew for every call: kept, they would take the memory of as many networks.
      if (hasOwnStrengths) return branchFeeds(planOfPicture(plan, picture), session.sites, rows)
      const byRows = known.get(session) ?? new Map<number, Readonly<Record<string, Feed>>>()
      known.set(session, byRows)
      const feeds = byRows.get(rows) ?? branchFeeds(plan, session.sites, rows)
      byRows.set(rows, feeds)
      return feeds
    },
  }
}

function partOf(path: string): Part {
  return path.startsWith('model.diffusion_model.') ? 'unet' : 'text'
}
