import { expect, test } from 'vitest'
import { numberedWeights, numbers } from '../../test/models/numbered.ts'
import { recorded } from '../../test/models/recorded.ts'
import { relativeError, runOnce } from '../../test/models/runOnce.ts'
import { simplify } from '../graph/simplify.ts'
import { tensor } from '../tensor/tensor.ts'
import { textGraph } from './graphs.ts'

test.each(recorded('text').map((result) => [result.name, result] as const))(
  '%s, with some tokens replaced by vectors, equals what Transformers gives',
  async (_, { name, config, skip, expected }) => {
    const graph = simplify(textGraph(config, { weights: numberedWeights }, { skip }))
    const isInjected = Array.from({ length: 2 * 77 }, (_, i) => (i >= 77 + 5 && i < 77 + 9 ? 1 : 0))
    const hidden = await runOnce(graph, {
      tokens: { shape: [2, 77], data: BigInt64Array.from({ length: 2 * 77 }, (_, i) => BigInt((i * 37) % 99)) },
      injected: numbers(`${name} injected`, [2, 77, config.text.width]),
      isInjected: tensor(isInjected, [2, 77, 1]),
    })
    expect(relativeError(hidden, expected)).toBeLessThan(1e-5)
  },
)
