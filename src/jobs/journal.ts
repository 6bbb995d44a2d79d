import { deserialize, serialize } from 'node:v8'
import { StudioError } from '../errors.ts'
import { Database, type Migrations, type Row, type Value } from '../files/database.ts'
import type { Entry } from './entry.ts'
import type { EndState, JobError, JobState } from './job.ts'
import type { Claim } from './publish.ts'
import type { JobFilter } from './queue.ts'
import type { ResultOf, Task, TaskKind } from './task.ts'

const layout: Migrations = [
  `CREATE TABLE jobs (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     kind TEXT NOT NULL,
     state TEXT NOT NULL,
     user TEXT NOT NULL,
     tag TEXT,
     title TEXT NOT NULL,
     priority INTEGER NOT NULL,
     place REAL NOT NULL,
     checkpoint TEXT,
     cost REAL NOT NULL,
     forgotten INTEGER NOT NULL,
     submitted REAL NOT NULL,
     started REAL,
     ended REAL,
     attempts INTEGER NOT NULL DEFAULT 0,
     crashes INTEGER NOT NULL DEFAULT 0,
     error TEXT,
     task BLOB NOT NULL,
     result BLOB
   ) STRICT;
   CREATE INDEX jobs_by_state ON jobs (state, seq);
   CREATE INDEX jobs_by_tag ON jobs (tag) WHERE tag IS NOT NULL;
   CREATE TABLE claims (
     job TEXT NOT NULL,
     file TEXT NOT NULL,
     path TEXT NOT NULL,
     PRIMARY KEY (job, file)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
]

const columns =
  'id, kind, state, user, tag, title, priority, place, checkpoint, cost, forgotten, submitted, started, ended, attempts, crashes, error'

/**
 * Every job from the moment it is accepted, in a SQLite file of the data folder. A change of state is one transaction
 * that holds only if the job still is in the state it is to leave: so whatever happens twice takes effect once.
 */
export class Journal {
  readonly #database: Database

  constructor(path: string) {
    this.#database = new Database(path, layout)
  }

  add(entry: Omit<Entry, 'place'>, task: Task): Entry {
    const { id, kind, state, user, tag, title, priority, checkpoint, cost, isForgotten, submittedAt } = entry
    return this.#database.transaction(() => {
      const { id: seq } = this.#database.run(
        `INSERT INTO jobs (id, kind, state, user, tag, title, priority, place, checkpoint, cost, forgotten, submitted, task)
         VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)`,
        ...[id, kind, state, user, tag ?? null, title, priority, checkpoint ?? null, cost, Number(isForgotten)],
        ...[submittedAt.getTime(), serialize(task)],
      )
      this.#database.run('UPDATE jobs SET place = ? WHERE seq = ?', seq, seq)
      return { ...entry, place: seq }
    })
  }

  /** Resolves when what was written so far outlives even the machine. */
  flushed(): Promise<void> {
    return this.#database.flushed()
  }

  find(id: string): Entry | undefined {
    const row = this.#database.first(`SELECT ${columns} FROM jobs WHERE id = ?`, id)
    return row && entryOf(row)
  }

  /** In the given states, the last submitted first. */
  list({ states, user, tag, limit = 100 }: JobFilter): readonly Entry[] {
    const conditions: string[] = []
    const values: Value[] = []
    if (states) {
      conditions.push(`state IN (${states.map(() => '?').join(', ')})`)
      values.push(...states)
    }
    if (user !== undefined) {
      conditions.push('user = ?')
      values.push(user)
    }
    if (tag !== undefined) {
      conditions.push('tag = ?')
      values.push(tag)
    }
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
    return this.#database
      .all(`SELECT ${columns} FROM jobs ${where} ORDER BY seq DESC LIMIT ?`, ...values, limit)
      .map(entryOf)
  }

  count(state: JobState): number {
    return Number(this.#database.first('SELECT count(*) AS n FROM jobs WHERE state = ?', state)?.n)
  }

  task(id: string): Task {
    return this.#blob(id, 'task') as Task
  }

  result(id: string): ResultOf<TaskKind> | undefined {
    return this.#blob(id, 'result') as ResultOf<TaskKind> | undefined
  }

  #blob(id: string, column: 'task' | 'result'): unknown {
    const bytes = this.#database.first(`SELECT ${column} FROM jobs WHERE id = ?`, id)?.[column]
    if (typeof bytes !== 'object' || bytes === null) return undefined
    try {
      return deserialize(bytes)
    } catch (cause) {
      throw new StudioError('bad-file', `${this.#database.path}: the ${column} of job ${id} cannot be read`, { cause })
    }
  }

  /** queued → running. */
  start(id: string, at: Date): boolean {
    return this.#change(
      "UPDATE jobs SET state = 'running', started = ?, attempts = attempts + 1 WHERE id = ? AND state = 'queued'",
      at.getTime(),
      id,
    )
  }

  /**
   * running → queued. An attempt that was `stopped` on purpose does not count, one that `crashed` counts double, and one
   * that went down with the server is an attempt as any other.
   */
  requeue(id: string, why: 'stopped' | 'crashed' | 'lost'): boolean {
    return this.#change(
      `UPDATE jobs SET state = 'queued', started = NULL, attempts = attempts - ?, crashes = crashes + ?
       WHERE id = ? AND state = 'running'`,
      Number(why === 'stopped'),
      Number(why === 'crashed'),
      id,
    )
  }

  /** queued or running → the end. What was claimed on the way is then the job's for good. */
  end(id: string, state: EndState, at: Date, outcome: JobError | ResultOf<TaskKind>): boolean {
    const isDone = state === 'done'
    return this.#database.transaction(() => {
      const hasEnded = this.#change(
        `UPDATE jobs SET state = ?, ended = ?, error = ?, result = ? WHERE id = ? AND state IN ('queued', 'running')`,
        ...[state, at.getTime(), isDone ? null : JSON.stringify(outcome), isDone ? serialize(outcome) : null, id],
      )
      if (hasEnded) this.#database.run('DELETE FROM claims WHERE job = ?', id)
      return hasEnded
    })
  }

  move(id: string, place: number): boolean {
    return this.#change("UPDATE jobs SET place = ? WHERE id = ? AND state = 'queued'", place, id)
  }

  moveToEnd(id: string): boolean {
    return this.move(id, Number(this.#database.first('SELECT max(place) AS last FROM jobs')?.last) + 1)
  }

  /** Notes where a file of a running job is about to be saved. */
  claim(id: string, { file, path }: Claim): void {
    this.#database.run(
      'INSERT INTO claims VALUES (?, ?, ?) ON CONFLICT (job, file) DO UPDATE SET path = excluded.path',
      ...[id, file, path],
    )
  }

  claims(id: string): readonly Claim[] {
    return this.#database
      .all('SELECT file, path FROM claims WHERE job = ?', id)
      .map(({ file, path }) => ({ file: String(file), path: String(path) }))
  }

  dropClaims(id: string): void {
    this.#database.run('DELETE FROM claims WHERE job = ?', id)
  }

  /** Forgets ended jobs but for the last `kept`, and answers their ids. */
  prune(kept: number): readonly string[] {
    return this.#database
      .all(
        `DELETE FROM jobs WHERE state IN ('done', 'failed', 'cancelled') AND seq <= (
           SELECT seq FROM jobs WHERE state IN ('done', 'failed', 'cancelled') ORDER BY seq DESC LIMIT 1 OFFSET ?
         ) RETURNING id`,
        kept,
      )
      .map(({ id }) => String(id))
  }

  get isPaused(): boolean {
    return this.#database.first("SELECT value FROM settings WHERE name = 'paused'")?.value === 'yes'
  }

  set isPaused(value: boolean) {
    this.#database.run(
      "INSERT INTO settings VALUES ('paused', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
      value ? 'yes' : 'no',
    )
  }

  close(): void {
    this.#database.close()
  }

  #change(sql: string, ...values: readonly Value[]): boolean {
    return this.#database.run(sql, ...values).changes === 1
  }
}

function entryOf(row: Row): Entry {
  const date = (value: Value | undefined) => (typeof value === 'number' ? new Date(value) : undefined)
  const text = (value: Value | undefined) => (typeof value === 'string' ? value : undefined)
  const { error } = row
  return {
    id: String(row.id),
    kind: row.kind as TaskKind,
    state: row.state as JobState,
    user: String(row.user),
    tag: text(row.tag),
    title: String(row.title),
    priority: Number(row.priority),
    place: Number(row.place),
    checkpoint: text(row.checkpoint),
    cost: Number(row.cost),
    isForgotten: row.forgotten === 1,
    submittedAt: new Date(Number(row.submitted)),
    startedAt: date(row.started),
    endedAt: date(row.ended),
    attempts: Number(row.attempts),
    crashes: Number(row.crashes),
    error: typeof error === 'string' ? (JSON.parse(error) as JobError) : undefined,
  }
}
