import { drawChart, type Series } from '../curves/chart.ts'
import { make, part } from '../curves/dom.ts'
import { drawHeading } from '../curves/heading.ts'
import { type Language, visitorsLanguage } from '../i18n/language.ts'
import { askCurve, askLogged, askPictures, type Logged, type LoggedPicture } from './data.ts'
import { curveTexts } from './texts.ts'

/** Colours that are told apart on white and on black, also by people who see few. */
const colors = ['#c1440e', '#2166ac', '#1b7837', '#8c510a', '#762a83', '#b8860b', '#008b8b', '#d6457f', '#6a6a6a']
const refreshMs = 5000
const shownAtFirst = 6

interface State {
  language: Language
  smoothing: number
  isLog: boolean
  /** Runs that are not shown. */
  readonly hidden: Set<string>
  filter: string
  logged: Logged
  /** By tag, then by run. */
  curves: ReadonlyMap<string, readonly Series[]>
  pictures: ReadonlyMap<string, readonly LoggedPicture[]>
  trouble: boolean
  at: Date | undefined
}

const state: State = {
  language: visitorsLanguage(),
  smoothing: 0.6,
  isLog: false,
  hidden: new Set(),
  filter: '',
  logged: { runs: [], scalars: {}, pictures: {} },
  curves: new Map(),
  pictures: new Map(),
  trouble: false,
  at: undefined,
}

const texts = () => curveTexts[state.language]
const colorOf = (run: string) => colors[state.logged.runs.indexOf(run) % colors.length] ?? '#888888'
const isShown = (run: string) => !state.hidden.has(run) && run.toLowerCase().includes(state.filter.toLowerCase())

async function refresh(): Promise<void> {
  try {
    const logged = await askLogged()
    // Of many runs the latest are shown; the others are a click away.
    if (!state.at) for (const run of logged.runs.slice(0, -shownAtFirst)) state.hidden.add(run)
    state.logged = logged
    const curves = new Map<string, Series[]>()
    const pictures = new Map<string, readonly LoggedPicture[]>()
    for (const run of logged.runs.filter(isShown)) {
      for (const tag of logged.scalars[run] ?? []) {
        const points = await askCurve(run, tag)
        curves.set(tag, [...(curves.get(tag) ?? []), { name: run, color: colorOf(run), points }])
      }
      for (const tag of logged.pictures[run] ?? []) pictures.set(`${run} · ${tag}`, await askPictures(run, tag))
    }
    Object.assign(state, { curves, pictures, trouble: false, at: new Date() })
  } catch {
    state.trouble = true
  }
  drawRuns()
  drawCurves()
  drawState()
}

function drawState(): void {
  const { trouble, at } = state
  part('state').textContent = trouble ? texts().unreachable : at ? texts().updated(at.toLocaleTimeString()) : ''
}

/** What does not change by itself: drawn once, and again in another language. */
function drawFrame(): void {
  const { smoothing, logScale, findRuns, all, none } = texts()
  drawHeading(texts(), state.language, (language) => {
    state.language = language
    drawFrame()
    drawRuns()
    drawCurves()
    drawState()
  })
  const slider = make('input', { type: 'range', min: '0', max: '0.99', step: '0.01', value: String(state.smoothing) })
  slider.oninput = () => {
    state.smoothing = Number(slider.value)
    drawCurves()
  }
  const log = make('input', { type: 'checkbox', checked: state.isLog })
  log.onchange = () => {
    state.isLog = log.checked
    drawCurves()
  }
  const filter = make('input', { type: 'search', value: state.filter, placeholder: findRuns, ariaLabel: findRuns })
  filter.oninput = () => {
    state.filter = filter.value
    void refresh()
  }
  const every = (text: string, isHidden: boolean) => {
    const button = make('button', { type: 'button' }, text)
    button.onclick = () => {
      for (const run of state.logged.runs) isHidden ? state.hidden.add(run) : state.hidden.delete(run)
      void refresh()
    }
    return button
  }
  part('controls').replaceChildren(
    make('label', {}, smoothing, slider),
    make('label', {}, log, logScale),
    filter,
    make('p', {}, every(all, false), ' ', every(none, true)),
  )
}

function drawRuns(): void {
  const list = state.logged.runs
    .filter((run) => run.toLowerCase().includes(state.filter.toLowerCase()))
    .map((run) => {
      const box = make('input', { type: 'checkbox', checked: !state.hidden.has(run) })
      box.style.accentColor = colorOf(run)
      box.onchange = () => {
        box.checked ? state.hidden.delete(run) : state.hidden.add(run)
        void refresh()
      }
      return make('label', {}, box, run)
    })
  part('runs').replaceChildren(make('h2', {}, texts().runs), ...list)
}

function drawCurves(): void {
  const { curves, pictures, smoothing, isLog, logged } = state
  const options = { smoothing, isLog, emptyText: texts().nothing }
  const groups = new Map<string, HTMLElement[]>()
  for (const [tag, series] of [...curves].sort(([a], [b]) => a.localeCompare(b))) {
    const group = tag.includes('/') ? tag.slice(0, tag.indexOf('/')) : tag
    const figure = make('figure', {}, drawChart(tag, series, options), make('figcaption', {}, tag))
    groups.set(group, [...(groups.get(group) ?? []), figure])
  }
  const sections = [...groups].map(([group, figures]) =>
    make('section', {}, make('h2', {}, group), make('div', { className: 'cards' }, ...figures)),
  )
  const shown = [...pictures].map(([name, all]) => {
    const figures = all.map(({ step, url }) =>
      make(
        'figure',
        {},
        make('img', { src: url, alt: '', loading: 'lazy' }),
        make('figcaption', {}, texts().step(step)),
      ),
    )
    return make('section', {}, make('h3', {}, name), make('div', { className: 'pictures' }, ...figures))
  })
  part('curves').replaceChildren(
    ...(logged.runs.length === 0 ? [make('p', { className: 'faint' }, texts().noRuns)] : sections),
    ...(shown.length > 0 ? [make('h2', {}, texts().pictures), ...shown] : []),
  )
}

drawFrame()
void refresh()
setInterval(() => void refresh(), refreshMs)
