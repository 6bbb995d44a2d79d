import { StudioError } from '../errors.ts'

/** A waiting job, as far as its turn goes. */
export interface Waiting {
  readonly id: string
  readonly user: string
  readonly priority: number
  /** Among jobs of equal priority the lower place goes first. */
  readonly place: number
  readonly checkpoint: string | undefined
  /** How often a later job went first because its checkpoint was in memory. */
  passedOver: number
}

/** How many jobs of a user are looked at for one whose checkpoint is in memory. */
const lookAhead = 32
/** How often a job may be passed over. */
const patience = 4

/**
 * Whose turn it is. Users take turns, one job each, so that nobody waits for another's five hundred; within a user
 * priority and place decide. A worker that holds a checkpoint is given a job that wants it, out of turn where that
 * makes nobody wait much: jobs of the same user may overtake each other, and a user may be passed whose checkpoint
 * another worker holds, and neither more than `patience` times.
 */
export class TurnOrder<J extends Waiting> {
  readonly #users = new Map<string, J[]>()
  /** The number of the turn that a user had last. */
  readonly #lastTurn = new Map<string, number>()
  #turn: number
  #size = 0

  /** `turns` are those that users had before. */
  constructor(turns: Iterable<readonly [string, number]> = []) {
    for (const [user, turn] of turns) this.#lastTurn.set(user, turn)
    this.#turn = Math.max(0, ...this.#lastTurn.values())
  }

  /** The number of the turn that was given last. */
  get turn(): number {
    return this.#turn
  }

  get size(): number {
    return this.#size
  }

  sizeOf(user: string): number {
    return this.#users.get(user)?.length ?? 0
  }

  add(job: J): void {
    const jobs = this.#users.get(job.user) ?? []
    this.#users.set(job.user, jobs)
    const at = jobs.findIndex((other) => isBefore(job, other))
    jobs.splice(at < 0 ? jobs.length : at, 0, job)
    this.#size++
  }

  /** Takes a job out; false where it does not wait. */
  remove(job: J): boolean {
    const jobs = this.#users.get(job.user)
    const at = jobs?.indexOf(job) ?? -1
    if (!jobs || at < 0) return false
    jobs.splice(at, 1)
    if (jobs.length === 0) this.#users.delete(job.user)
    this.#size--
    return true
  }

  /** Whose turn it would be on a worker that holds nothing. */
  first(): J | undefined {
    return this.#heads()[0]
  }

  /** Takes out the job that a worker with this checkpoint in memory should run next. */
  next(held: string | undefined, heldByOthers: ReadonlySet<string>): J | undefined {
    const heads = this.#heads()
    const fair = heads[0]
    if (!fair) return undefined
    const chosen = this.#bestFor(held, heldByOthers, heads) ?? fair
    for (const passed of this.#users.get(chosen.user)!) {
      if (passed === chosen) break
      passed.passedOver++
    }
    if (chosen.user !== fair.user) fair.passedOver++
    this.remove(chosen)
    this.#lastTurn.delete(chosen.user)
    this.#lastTurn.set(chosen.user, ++this.#turn)
    this.#forgetOldTurns()
    return chosen
  }

  /** All that wait, as they would run on a worker that holds nothing. */
  expected(): readonly J[] {
    const rounds = this.#heads().map(({ user }) => this.#users.get(user)!)
    const longest = Math.max(0, ...rounds.map((jobs) => jobs.length))
    return Array.from({ length: longest }, (_, round) => round).flatMap((round) =>
      rounds.flatMap((jobs) => jobs.slice(round, round + 1)),
    )
  }

  /** The first job of every user, those first whose last turn is longest ago. */
  #heads(): readonly J[] {
    return [...this.#users]
      .map(([user, jobs]) => ({ head: jobs[0]!, turn: this.#lastTurn.get(user) ?? 0 }))
      .sort((a, b) => a.turn - b.turn || a.head.place - b.head.place)
      .map(({ head }) => head)
  }

  #bestFor(held: string | undefined, heldByOthers: ReadonlySet<string>, heads: readonly J[]): J | undefined {
    if (held === undefined) return undefined
    for (const head of heads) {
      const own = this.#sameCheckpoint(held, this.#users.get(head.user)!)
      if (own) return own
      const isServedSoon = head.checkpoint !== undefined && heldByOthers.has(head.checkpoint)
      if (!isServedSoon || head.passedOver >= patience) return undefined
    }
    return undefined
  }

  #sameCheckpoint(held: string, jobs: readonly J[]): J | undefined {
    for (const job of jobs.slice(0, lookAhead)) {
      if (job.priority !== jobs[0]!.priority) return undefined
      if (job.checkpoint === held) return job
      if (job.passedOver >= patience) return undefined
    }
    return undefined
  }

  /** Users who have been away for long lose nothing by starting anew. */
  #forgetOldTurns(): void {
    for (const user of this.#lastTurn.keys()) {
      if (this.#lastTurn.size <= 10_000) return
      if (!this.#users.has(user)) this.#lastTurn.delete(user)
    }
  }
}

function isBefore(a: Waiting, b: Waiting): boolean {
  return a.priority !== b.priority ? a.priority > b.priority : a.place < b.place
}

/** The place of a waiting job that is to go before another one, or last, among those of its priority. */
export function placeBefore(waiting: readonly Waiting[], job: Waiting, next: Waiting | undefined): number {
  if (next && next.priority !== job.priority) {
    throw new StudioError('conflict', `jobs ${job.id} and ${next.id} differ in priority`)
  }
  const line = waiting.filter(({ id, priority }) => id !== job.id && priority === job.priority)
  const places = line.map(({ place }) => place).sort((a, b) => a - b)
  const at = next ? places.indexOf(next.place) : places.length
  const below = places[at - 1] ?? (next?.place ?? job.place) - 2
  return next ? (below + next.place) / 2 : Math.max(below + 1, job.place)
}
