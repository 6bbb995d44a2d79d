import type { WireRun, WireRunCurves, WireRunLog } from '../../../src/server/native/trainingSchemas.ts'
import { drawChart } from '../curves/chart.ts'
import { make, part } from '../curves/dom.ts'
import { drawHeading } from '../curves/heading.ts'
import { type Language, visitorsLanguage } from '../i18n/language.ts'
import { trainingTexts } from './texts.ts'

const refreshMs = 3000
/** Bytes from the end of a log that are shown. */
const shownLog = 20_000
const smoothing = 0.6

interface State {
  language: Language
  runs: readonly WireRun[]
  chosen: string | undefined
  curves: WireRunCurves['curves']
  log: string
  trouble: string | undefined
}

const state: State = {
  language: visitorsLanguage(),
  runs: [],
  chosen: undefined,
  curves: [],
  log: '',
  trouble: undefined,
}

const texts = () => trainingTexts[state.language]

async function ask<T>(address: string, init?: RequestInit): Promise<T> {
  const reply = await fetch(`./api/v1/${address}`, init)
  if (!reply.ok) throw new Error(`${address}: ${reply.status}`)
  return (await reply.json()) as T
}

async function refresh(): Promise<void> {
  try {
    const { runs } = await ask<{ runs: readonly WireRun[] }>('runs')
    const chosen = runs.find(({ id }) => id === state.chosen) ?? runs[0]
    Object.assign(state, { runs, chosen: chosen?.id, trouble: undefined })
    if (chosen) {
      const [{ curves }, { text }] = await Promise.all([
        ask<WireRunCurves>(`runs/${chosen.id}`),
        ask<WireRunLog>(`runs/${chosen.id}/logs?from=${-shownLog}`),
      ])
      Object.assign(state, { curves, log: text })
    }
  } catch {
    state.trouble = texts().unreachable
  }
  draw()
}

function drawFrame(): void {
  const { studio, tensorboard, apiDocs } = texts()
  drawHeading(texts(), state.language, (language) => {
    state.language = language
    drawFrame()
    draw()
  })
  part('links').replaceChildren(
    make('a', { href: './index.html' }, studio),
    ' ',
    make('a', { href: './tensorboard.html' }, tensorboard),
    ' ',
    make('a', { href: './docs' }, apiDocs),
  )
}

function draw(): void {
  const { runs, chosen, trouble } = state
  part('state').textContent = trouble ?? ''
  const list = runs.map((run) => {
    const button = make('button', { type: 'button', className: 'run' }, run.title, make('br'), stateText(run))
    button.ariaPressed = String(run.id === chosen)
    button.onclick = () => {
      Object.assign(state, { chosen: run.id, curves: [], log: '' })
      void refresh()
    }
    return button
  })
  part('runs').replaceChildren(
    make('h2', {}, texts().runs),
    ...(runs.length > 0 ? list : [make('p', { className: 'faint' }, texts().noRuns)]),
  )
  const run = runs.find(({ id }) => id === chosen)
  for (const id of ['about', 'curves', 'samples', 'log']) part(id).replaceChildren()
  if (!run) return
  drawAbout(run)
  drawCurves()
  if (run.samples.length > 0) {
    const figures = run.samples.map(({ name, url }) =>
      make('figure', {}, make('img', { src: url, alt: name, loading: 'lazy' }), make('figcaption', {}, name)),
    )
    part('samples').replaceChildren(make('h2', {}, texts().samples), make('div', { className: 'pictures' }, ...figures))
  }
  part('log').replaceChildren(make('h2', {}, texts().log), make('pre', {}, state.log))
}

function stateText({ state: now, isStopping, progress }: WireRun): string {
  const { states, stopping, step } = texts()
  const parts = [isStopping ? stopping : states[now], ...(progress ? [step(progress.step, progress.total)] : [])]
  return parts.join(', ')
}

function drawAbout(run: WireRun): void {
  const { progress, caching, error, plan, saved, best } = run
  const said = texts()
  const lines: (Node | string)[] = [make('h2', {}, run.title), make('p', {}, stateText(run))]
  if (error) lines.push(make('p', { className: 'trouble', role: 'alert' }, error.message))
  if (progress) {
    const { step, total, epoch, epochs, averageLoss, etaSeconds } = progress
    const isRunning = run.state === 'running'
    lines.push(
      make('progress', { max: total, value: step }),
      make(
        'p',
        {},
        [
          said.epoch(epoch, epochs),
          said.averageLoss(averageLoss.toFixed(4)),
          ...(isRunning ? [said.left(etaSeconds / 60)] : []),
        ].join(', '),
      ),
    )
  } else if (caching) {
    lines.push(make('progress', { max: caching.total, value: caching.done }))
    lines.push(make('p', {}, said.caching(caching.done, caching.total)))
  }
  if ((run.state === 'running' || run.state === 'starting') && !run.isStopping) {
    const button = make('button', { type: 'button' }, said.stop)
    button.onclick = () => void ask(`runs/${run.id}/cancel`, { method: 'POST' }).then(refresh, refresh)
    lines.push(button)
  }
  if (best !== null) lines.push(make('p', {}, said.best(best)))
  if (saved.length > 0) {
    const items = saved.map((name) => make('li', {}, name))
    lines.push(make('details', {}, make('summary', {}, said.saved), make('ul', {}, ...items)))
  }
  if (plan.length > 0) {
    const items = plan.map((line) => make('li', {}, line))
    lines.push(
      make('details', { open: run.progress === null }, make('summary', {}, said.plan), make('ul', {}, ...items)),
    )
  }
  part('about').replaceChildren(...lines)
}

function drawCurves(): void {
  const options = { smoothing, isLog: false, emptyText: texts().nothing }
  const figures = state.curves.map(({ tag, points }) => {
    const all = points.map(({ step, wallTime, value }) => ({ step, wallTime, value: value ?? Number.NaN }))
    const chart = drawChart(tag, [{ name: tag, color: '#c1440e', points: all }], options)
    return make('figure', {}, chart, make('figcaption', {}, tag))
  })
  if (figures.length === 0) return
  part('curves').replaceChildren(make('h2', {}, texts().curves), make('div', { className: 'cards' }, ...figures))
}

drawFrame()
void refresh()
setInterval(() => void refresh(), refreshMs)
