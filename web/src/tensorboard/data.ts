import type { Point } from '../curves/smooth.ts'

/** What TensorBoard's addresses tell of all runs. */
export interface Logged {
  readonly runs: readonly string[]
  /** Tags of each run. */
  readonly scalars: Readonly<Record<string, readonly string[]>>
  readonly pictures: Readonly<Record<string, readonly string[]>>
}

/** On the studio's own port the data are below an address of their own. */
const base = location.pathname.endsWith('/tensorboard.html') ? './tensorboard/' : './'

async function ask(address: string, query: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const reply = await fetch(`${base}data/${address}?${new URLSearchParams(query)}`)
  if (!reply.ok) throw new Error(`${address}: ${reply.status}`)
  return reply.json()
}

export async function askLogged(): Promise<Logged> {
  const [runs, scalars, pictures] = await Promise.all([
    ask('runs'),
    ask('plugin/scalars/tags'),
    ask('plugin/images/tags'),
  ])
  const tags = (all: unknown) =>
    Object.fromEntries(Object.entries(all as Record<string, object>).map(([run, of]) => [run, Object.keys(of)]))
  return { runs: runs as string[], scalars: tags(scalars), pictures: tags(pictures) }
}

export async function askCurve(run: string, tag: string): Promise<readonly Point[]> {
  const points = (await ask('plugin/scalars/scalars', { run, tag })) as [number, number, number | string][]
  return points.map(([wallTime, step, value]) => ({ wallTime, step, value: Number(value) }))
}

/** A picture's address, and at which step it was drawn. */
export interface LoggedPicture {
  readonly step: number
  readonly url: string
}

export async function askPictures(run: string, tag: string): Promise<readonly LoggedPicture[]> {
  const told = (await ask('plugin/images/images', { run, tag, sample: '0' })) as { step: number; blob_key: string }[]
  return told.map(({ step, blob_key }) => ({
    step,
    url: `${base}data/plugin/images/individualImage?${new URLSearchParams({ blob_key })}`,
  }))
}
