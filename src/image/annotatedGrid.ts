import { parseColor } from './channels.ts'
import { drawSvg } from './drawSvg.ts'
import { inkSpan, lineSvg, lineWidth, wrapped } from './lettering.ts'
import { crop, filled, pasted, type Rgb8 } from './picture.ts'

/** A text beside a grid; an inactive one is struck through. */
export interface Label {
  readonly text: string
  readonly isActive: boolean
}

export interface GridColors {
  readonly background: string
  readonly active: string
  readonly inactive: string
}

/** What is written around a grid. */
export interface Annotations {
  /** Size of the grid's cells. */
  readonly width: number
  readonly height: number
  /** Labels over each column and before each row, one below the other. */
  readonly columns: readonly (readonly Label[])[]
  readonly rows: readonly (readonly Label[])[]
  /** Pixels between the cells. */
  readonly margin: number
  readonly colors: GridColors
}

interface Line extends Label {
  /** Letters shrink until the line fits. */
  readonly size: number
  readonly width: number
  readonly top: number
  readonly height: number
}

/** A grid with labels over its columns and before its rows, and with margins between its cells. */
export async function annotatedGrid(grid: Rgb8, annotations: Annotations): Promise<Rgb8> {
  const { width, height, margin, colors } = annotations
  const size = Math.max(Math.floor((width + height) / 25), 1)
  const spacing = Math.floor(size / 2)
  const hasRowLabels = annotations.rows.flat().some(({ text }) => text !== '')
  const left = hasRowLabels ? Math.floor((width * 3) / 4) : 0
  const columns = annotations.columns.map((labels) => linesOf(labels, size, width))
  const rows = annotations.rows.map((labels) => linesOf(labels, size, left))
  const tallest = Math.max(0, ...columns.map((lines) => heightOf(lines, spacing)))
  const top = tallest <= 0 ? 0 : Math.ceil(tallest) + spacing * 2

  const across = Math.floor(grid.width / width)
  const down = Math.floor(grid.height / height)
  let result = filled(
    3,
    grid.width + left + margin * (across - 1),
    grid.height + top + margin * (down - 1),
    parseColor(colors.background),
  )
  for (let y = 0; y < down; y++) {
    for (let x = 0; x < across; x++) {
      const cell = crop(grid, { left: x * width, top: y * height, right: (x + 1) * width, bottom: (y + 1) * height })
      result = pasted(result, cell, left + x * (width + margin), top + y * (height + margin))
    }
  }
  const drawn = [
    ...columns.map((lines, i) =>
      linesSvg(lines, left + (width + margin) * i + width / 2, (top - heightOf(lines, spacing)) / 2, spacing, colors),
    ),
    ...rows.map((lines, i) =>
      linesSvg(lines, left / 2, top + (height + margin) * i + (height - heightOf(lines, spacing)) / 2, spacing, colors),
    ),
  ].join('')
  return drawn === '' ? result : drawSvg(result, drawn)
}

function linesOf(labels: readonly Label[], size: number, width: number): Line[] {
  return labels.flatMap(({ text, isActive }) =>
    wrapped(text, size, width).map((line) => {
      const full = lineWidth(line, size)
      const fitting = full > width && width > 0 ? Math.max(1, Math.floor((size * width) / full)) : size
      const [top, bottom] = inkSpan(line, size)
      return { text: line, isActive, size: fitting, width: lineWidth(line, fitting), top, height: bottom - top }
    }),
  )
}

function heightOf(lines: readonly Line[], spacing: number): number {
  return lines.reduce((sum, { height }) => sum + height + spacing, 0) - spacing
}

/** Lines centred on x, one below the other from y. */
function linesSvg(lines: readonly Line[], x: number, y: number, spacing: number, colors: GridColors): string {
  let at = y
  return lines
    .map(({ text, size, width, top, height, isActive }) => {
      const color = `rgb(${parseColor(isActive ? colors.active : colors.inactive).join()})`
      const middle = at + height / 2
      const letters = lineSvg(text, x - width / 2, at - top, size, color)
      at += height + spacing
      if (isActive || text === '') return letters
      const stroke = `<line x1="${x - width / 2}" x2="${x + width / 2}" y1="${middle}" y2="${middle}"`
      return `${letters}${stroke} stroke="${color}" stroke-width="${Math.max(1, size / 8)}"/>`
    })
    .join('')
}
