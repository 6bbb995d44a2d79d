import { expect, test } from 'vitest'
import { numberedWeights, numbers } from '../../test/models/numbered.ts'
import { type Recorded, recorded } from '../../test/models/recorded.ts'
import { relativeError, runOnce } from '../../test/models/runOnce.ts'
import { simplify } from '../graph/simplify.ts'
import { type Emit, float32Emit } from '../nn/emit.ts'
import { tensor } from '../tensor/tensor.ts'
import { textGraph } from './graphs.ts'

test.each(recorded('text').map((result) => [result.name, result] as const))(
  '%s, with some tokens replaced by vectors, equals what Transformers gives',
  async (_, result) => {
    for (const emit of [float32Emit, { ...float32Emit, attention: 'primitive', activation: 'primitive' } as const]) {
      expect(relativeError(await encoded(result, emit), result.expected)).toBeLessThan(1e-5)
    }
  },
)

function encoded({ name, config, skip }: Recorded, emit: Emit) {
  const graph = simplify(textGraph(config, { weights: numberedWeights, emit }, { skip }))
  const isInjected = Array.from({ length: 2 * 77 }, (_, i) => (i >= 77 + 5 && i < 77 + 9 ? 1 : 0))
  return runOnce(graph, {
    tokens: { shape: [2, 77], data: BigInt64Array.from({ length: 2 * 77 }, (_, i) => BigInt((i * 37) % 99)) },
    injected: numbers(`${name} injected`, [2, 77, config.text.width]),
    isInjected: tensor(isInjected, [2, 77, 1]),
  })
}
