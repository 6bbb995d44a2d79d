import { toOnnx } from '../graph/onnx.ts'
import { reorderInput } from '../graph/ops.ts'
import { Graph } from '../graph/value.ts'
import { tensor } from '../tensor/tensor.ts'
import { openNative } from './native.ts'

/**
 * How many channels a block of the runtime's own convolution has on this processor: 16 with AVX-512 or NEON, 8 with
 * AVX2, and 1 where it has no such convolution. The library does not tell, so it is read off what it does to a picture
 * of two points, in which the second point's first channel comes after the whole first block.
 */
export async function blockSize(): Promise<number> {
  const channels = 32
  const graph = new Graph()
  graph.output('blocks', reorderInput(graph.input('picture', [1, channels, 1, 2])))
  const model = toOnnx(graph, () => {
    throw new Error('internal: a probe has no weights')
  })
  try {
    const session = await openNative(model, { threads: 1, folder: '.' })
    const picture = tensor(new Float32Array(2 * channels), [1, channels, 1, 2])
    picture.data[1] = 1
    const { blocks } = await session.run({ picture })
    await session.dispose()
    return Math.max(1, blocks!.data.indexOf(1))
  } catch {
    return 1
  }
}
