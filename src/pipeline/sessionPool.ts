import { simplify } from '../graph/simplify.ts'
import type { Graph } from '../graph/value.ts'
import { type BranchSite, branchSites } from '../lora/attach.ts'
import { compile } from '../runtime/compile.ts'
import type { CompileOptions, Residence, Session } from '../runtime/session.ts'
import { WeightStore } from '../runtime/weightStore.ts'

/** What a session is for. Sessions of one role replace each other when there are too many. */
export type Role = 'text' | 'unet' | 'decoder' | 'encoder' | 'merge' | 'upscaler' | 'preview'

/** How many sessions of a role stay ready: prompts switch text encoders, sizes and tiling switch the others. */
const kept: Readonly<Record<Role, number>> = {
  text: 4,
  unet: 2,
  decoder: 2,
  encoder: 2,
  merge: 8,
  upscaler: 1,
  preview: 1,
}

/** A session ready to run, and the layers that have room for networks beside them. */
export interface ReadySession extends Session {
  readonly sites: readonly BranchSite[]
}

interface Entry {
  readonly role: Role
  readonly key: string
  readonly session: Promise<ReadySession>
}

/** Sessions that are ready or being made, the latest used last. */
export class SessionPool {
  readonly #options: Omit<CompileOptions, 'residence'>
  #entries: Entry[] = []

  constructor(options: Omit<CompileOptions, 'residence'>) {
    this.#options = { ...options, store: new WeightStore() }
  }

  /** The session of that key, compiled from `build()` where there is none yet. */
  async get(role: Role, key: string, residence: Residence, build: () => Graph): Promise<ReadySession> {
    const fullKey = `${residence} ${key}`
    const found = this.#entries.find((entry) => entry.role === role && entry.key === fullKey)
    const entry = found ?? { role, key: fullKey, session: this.#ready(residence, build()) }
    this.#entries = [...this.#entries.filter((other) => other !== entry), entry]
    await this.#dispose(this.#entries.filter((other) => other.role === role).slice(0, -kept[role]))
    try {
      return await entry.session
    } catch (error) {
      this.#entries = this.#entries.filter((other) => other !== entry)
      throw error
    }
  }

  /** A session outside the pool; whoever asked disposes of it. */
  compile(residence: Residence, graph: Graph): Promise<Session> {
    return compile(simplify(graph), { ...this.#options, residence })
  }

  async #ready(residence: Residence, graph: Graph): Promise<ReadySession> {
    return { ...(await this.compile(residence, graph)), sites: branchSites(graph) }
  }

  /** Frees every session, or those of some keys. */
  async release(isWanted: (key: string) => boolean = () => false): Promise<void> {
    await this.#dispose(this.#entries.filter(({ key }) => !isWanted(key.slice(key.indexOf(' ') + 1))))
  }

  async #dispose(entries: readonly Entry[]): Promise<void> {
    this.#entries = this.#entries.filter((entry) => !entries.includes(entry))
    for (const { session } of entries) await (await session).dispose()
  }
}
