import { type Dim, dimText, type Shape, shapeText } from './dim.ts'
import type { Graph, Value } from './value.ts'

type Parameter = Dim | Shape | string | boolean

/** A graph as text, one line per node: for tests, and for people who want to see what runs. */
export function print(graph: Graph): string {
  // Numbered as printed, so that a graph's text does not tell how it came about.
  const numbers = new Map<Value, number>()
  const nameOf = (value: Value): string => {
    const { source } = value
    if (source.kind === 'input' || source.kind === 'weight') return source.name
    if (source.kind === 'constant') return constantText(value, source.data)
    const number = numbers.get(value) ?? numbers.size
    numbers.set(value, number)
    return `%${number}`
  }
  const typed = (value: Value) => `${nameOf(value)}: ${value.type}${shapeText(value.shape)}`

  return [
    ...graph.inputs.map((input) => `input ${typed(input)}`),
    ...graph.weights.map((weight) => `weight ${typed(weight)}`),
    ...graph.nodes.map(({ op, inputs, outputs, params }) => {
      const parameters = Object.entries<Parameter>(params).map(([name, value]) => ` ${name}=${parameterText(value)}`)
      const read = inputs.map((input) => (input ? nameOf(input) : 'none')).join(', ')
      return `${outputs.map(typed).join(', ')} = ${op}(${read})${parameters.join('')}`
    }),
    ...[...graph.outputs].map(([name, value]) => `output ${name} = ${typed(value)}`),
  ].join('\n')
}

function constantText({ type, shape }: Value, data: ArrayLike<number | bigint>): string {
  const shown = Array.from({ length: Math.min(data.length, 8) }, (_, i) => `${data[i]}`)
  if (shape.length === 0) return shown.join()
  return `${type}${shapeText(shape)}{${shown.join(', ')}${data.length > shown.length ? ', …' : ''}}`
}

function parameterText(value: Parameter): string {
  if (typeof value !== 'object') return `${value}`
  return 'terms' in value ? dimText(value) : shapeText(value)
}
