import { linearScale, logScale, shortNumber } from './scale.ts'
import { type Point, smoothed } from './smooth.ts'

/** A curve and how it looks. */
export interface Series {
  readonly name: string
  readonly color: string
  readonly points: readonly Point[]
}

export interface ChartOptions {
  /** Weight of the moving average, 0 to 1. */
  readonly smoothing: number
  readonly isLog: boolean
  /** What is shown when there is nothing to show. */
  readonly emptyText: string
}

const [width, height] = [420, 240]
const frame = { left: 58, right: 10, top: 10, bottom: 24 }
const inner = { width: width - frame.left - frame.right, height: height - frame.top - frame.bottom }
const namespace = 'http://www.w3.org/2000/svg'

/** Draws curves over their steps as an SVG; the raw ones faint behind the smooth ones where these differ. */
export function drawChart(title: string, series: readonly Series[], options: ChartOptions): SVGSVGElement {
  const svg = element('svg', { viewBox: `0 0 ${width} ${height}`, class: 'chart', role: 'img' }) as SVGSVGElement
  svg.append(withText('title', {}, title))
  const all = series.flatMap(({ points }) => points)
  if (all.length === 0) {
    svg.append(withText('text', { x: width / 2, y: height / 2, 'text-anchor': 'middle' }, options.emptyText))
    return svg
  }
  const smooth = series.map((each) => ({ ...each, points: smoothed(each.points, options.smoothing) }))
  const steps = linearScale(all.map(({ step }) => step))
  // The smooth curve decides what is seen: single steps may lie far outside.
  const shown = options.smoothing > 0 ? smooth.flatMap(({ points }) => points) : all
  const values = (options.isLog ? logScale : linearScale)(shown.map(({ value }) => value))
  const x = (step: number) => frame.left + steps.at(step) * inner.width
  const y = (value: number) => frame.top + (1 - values.at(value)) * inner.height

  for (const tick of values.ticks) {
    svg.append(element('line', { x1: frame.left, x2: width - frame.right, y1: y(tick), y2: y(tick), class: 'grid' }))
    svg.append(withText('text', { x: frame.left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, shortNumber(tick)))
  }
  for (const tick of steps.ticks) {
    svg.append(withText('text', { x: x(tick), y: height - 6, 'text-anchor': 'middle' }, shortNumber(tick)))
  }
  const clip = element('svg', {
    ...{ x: frame.left, y: frame.top, width: inner.width, height: inner.height },
    viewBox: `${frame.left} ${frame.top} ${inner.width} ${inner.height}`,
  })
  const line = (each: Series, kind: 'raw' | 'smooth') => {
    const path = element('path', { d: pathOf(each.points, x, y), stroke: each.color, class: kind })
    path.append(withText('title', {}, each.name))
    return path
  }
  if (options.smoothing > 0) for (const each of series) clip.append(line(each, 'raw'))
  for (const each of smooth) clip.append(line(each, 'smooth'))
  svg.append(clip)
  return svg
}

/** A line through points, broken where a value is none. */
function pathOf(points: readonly Point[], x: (step: number) => number, y: (value: number) => number): string {
  let isDown = false
  const parts: string[] = []
  for (const { step, value } of points) {
    const [px, py] = [x(step), y(value)]
    if (!Number.isFinite(px) || !Number.isFinite(py)) isDown = false
    else {
      parts.push(`${isDown ? 'L' : 'M'}${px.toFixed(1)} ${py.toFixed(1)}`)
      isDown = true
    }
  }
  // A line of one point is a dot.
  return parts.length === 1 ? `${parts[0]}h0.1` : parts.join('')
}

function element(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = document.createElementNS(namespace, name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value))
  return made
}

function withText(name: string, attributes: Readonly<Record<string, string | number>>, text: string): SVGElement {
  const made = element(name, attributes)
  made.textContent = text
  return made
}
