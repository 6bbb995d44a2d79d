import { mkdirSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isArrayBuffer } from 'node:util/types'
import Libsql from 'libsql'
import { StudioError } from '../errors.ts'

export type Value = string | number | Uint8Array | null
export type Row = Readonly<Record<string, Value>>

/** The steps that bring an empty file to the current layout; a file remembers how many it has taken. */
export type Migrations = readonly string[]

/**
 * A SQLite file of this process alone, in WAL mode: a transaction that was committed survives the death of the process
 * at any instant. `flushed` resolves when everything committed so far also survives that of the machine.
 */
export class Database {
  readonly path: string
  readonly #lock: ReturnType<typeof openFile>
  readonly #sql: ReturnType<typeof openFile>
  readonly #statements = new Map<string, ReturnType<ReturnType<typeof openFile>['prepare']>>()
  /** The write-ahead log, opened a second time to be flushed without holding up this thread. */
  #log: Promise<FileHandle> | undefined
  #flush: { readonly running: Promise<void>; next: Promise<void> | undefined } | undefined

  constructor(path: string, migrations: Migrations) {
    this.path = path
    // A second program is kept away by a transaction that never ends: two queues over one journal would run every job
    // twice. The system forgets it with the process, however that dies.
    this.#lock = openFile(`${path}.lock`)
    this.#guarded(() => this.#lock.exec('BEGIN EXCLUSIVE'))
    try {
      this.#sql = openFile(path)
      this.#prepareFile(migrations)
    } catch (cause) {
      this.#lock.exec('ROLLBACK')
      throw translated(path, cause)
    }
  }

  #prepareFile(migrations: Migrations): void {
    // Exclusive locking also keeps a second program away: two queues over one journal would run every job twice.
    this.#sql.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    const [check] = this.all('PRAGMA quick_check(1)')
    if (check?.quick_check !== 'ok') throw damaged(this.path, String(check?.quick_check))
    const taken = Number(this.all('PRAGMA user_version')[0]?.user_version)
    if (taken > migrations.length) {
      throw new StudioError('bad-file', `${this.path}: was written by a newer version of the program`, {
        field: this.path,
      })
    }
    this.transaction(() => {
      for (const step of migrations.slice(taken)) this.#sql.exec(step)
      this.#sql.exec(`PRAGMA user_version = ${migrations.length}`)
    })
  }

  run(sql: string, ...values: readonly Value[]): { readonly changes: number; readonly id: number } {
    return this.#guarded(() => {
      const { changes, lastInsertRowid } = this.#statement(sql).run([...values])
      return { changes, id: Number(lastInsertRowid) }
    })
  }

  all(sql: string, ...values: readonly Value[]): readonly Row[] {
    return this.#guarded(() => (this.#statement(sql).all([...values]) as RawRow[]).map(rowOf))
  }

  first(sql: string, ...values: readonly Value[]): Row | undefined {
    return this.all(sql, ...values)[0]
  }

  /** All of it or nothing. */
  transaction<T>(work: () => T): T {
    return this.#guarded(() => this.#sql.transaction(work).immediate() as T)
  }

  /** One flush at a time; whoever comes while one runs shares the next. */
  flushed(): Promise<void> {
    const flush = this.#flush
    if (flush) {
      flush.next ??= flush.running.then(() => this.#startFlush())
      return flush.next
    }
    return this.#startFlush()
  }

  #startFlush(): Promise<void> {
    this.#log ??= open(`${this.path}-wal`, 'r+')
    const running = this.#log
      .then((log) => log.datasync())
      .finally(() => {
        if (this.#flush?.next === undefined) this.#flush = undefined
      })
    this.#flush = { running, next: undefined }
    return running
  }

  close(): void {
    this.#log?.then((log) => log.close()).catch(() => undefined)
    this.#sql.pragma('wal_checkpoint(TRUNCATE)')
    this.#sql.close()
    this.#lock.exec('ROLLBACK')
    this.#lock.close()
  }

  #statement(sql: string) {
    const known = this.#statements.get(sql) ?? this.#sql.prepare<[Value[]]>(sql)
    this.#statements.set(sql, known)
    return known
  }

  #guarded<T>(work: () => T): T {
    try {
      return work()
    } catch (cause) {
      throw translated(this.path, cause)
    }
  }
}

/** The library reads blobs as bare buffers. */
type RawRow = Readonly<Record<string, Value | ArrayBuffer>>

function rowOf(row: RawRow): Row {
  for (const value of Object.values(row)) {
    if (!isArrayBuffer(value)) continue
    return Object.fromEntries(
      Object.entries(row).map(([name, each]) => [name, isArrayBuffer(each) ? new Uint8Array(each) : each]),
    )
  }
  return row as Row
}

function openFile(path: string) {
  try {
    mkdirSync(dirname(path), { recursive: true })
    return new Libsql(path, { timeout: 200 })
  } catch (cause) {
    throw translated(path, cause)
  }
}

function damaged(path: string, what: string, cause?: unknown): StudioError {
  return new StudioError('bad-file', `${path}: is damaged (${what}); move it away to begin with an empty one`, {
    cause,
    field: path,
  })
}

function translated(path: string, cause: unknown): unknown {
  const { code, message } = cause as { code?: unknown; message?: unknown }
  if (cause instanceof StudioError || typeof code !== 'string') return cause
  if (code.startsWith('SQLITE_CORRUPT') || code.startsWith('SQLITE_NOTADB'))
    return damaged(path, String(message), cause)
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return new StudioError('conflict', `${path}: another server uses this data folder`, { cause, field: path })
  }
  if (code.startsWith('SQLITE_FULL') || code === 'ENOSPC') {
    return new StudioError('no-space', `${path}: no space is left on the disk`, { cause, field: path })
  }
  const isOutside = /^SQLITE_(IOERR|READONLY|CANTOPEN|PERM|AUTH)/.test(code) || !code.startsWith('SQLITE_')
  return isOutside ? new StudioError('missing-file', `${path}: ${message}`, { cause, field: path }) : cause
}
