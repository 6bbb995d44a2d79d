import { expect, test } from 'vitest'
import { openWeights } from '../../files/openWeights.ts'
import { readWeight } from '../../files/readWeight.ts'
import { detectModel } from '../../models/detect.ts'
import { activationBytes } from '../../runtime/activations.ts'
import { compile } from '../../runtime/compile.ts'
import { fixedFirst } from '../../runtime/hoist.ts'
import { normalStream } from '../../tensor/random.ts'
import { readArguments } from './arguments.ts'
import { loraGraph } from './graph.ts'
import { targetLayers } from './modules.ts'
import { initialNetwork, networkModules } from './network.ts'
import { loraSettings } from './settings.ts'

const checkpoint = new URL('../../../test/golden/models/tiny-sd1.safetensors', import.meta.url).pathname
const { config, weights } = detectModel(openWeights(checkpoint))

function step(isCheckpointing: boolean, side: number) {
  const { values } = readArguments(
    new Map<string, boolean | string>([
      ['gradient_checkpointing', isCheckpointing],
      ['network_train_unet_only', true],
    ]),
    new Map(),
  )
  const { network, loss, recomputes, text } = loraSettings(values)
  const modules = networkModules(targetLayers(weights), network)
  const options = { config, weights, modules, loss, recomputes, hasDropout: false, isMasked: false }
  const graph = loraGraph({ ...options, text: { ...text, isInside: false } }, { batch: 1, height: side, width: side })
  return { graph, modules }
}

test('gradient_checkpointing: the same gradients to the bit', async () => {
  const normal = normalStream('cpu', 1)
  const { modules } = step(false, 8)
  const network = initialNetwork(modules, 1, (path) => readWeight(weights.get(`${path}.weight`)!))
  const feeds = {
    noisy: normal([1, 4, 8, 8]),
    target: normal([1, 4, 8, 8]),
    context: normal([1, 77, config.unet.contextWidth]),
    timesteps: { shape: [1], data: Float32Array.of(500) },
    weights: { shape: [1], data: Float32Array.of(1) },
    ...Object.fromEntries([...network].map(([name, x]) => [name, name.endsWith('up.weight') ? normal(x.shape) : x])),
  }
  const results = []
  for (const isCheckpointing of [false, true]) {
    const session = await compile(step(isCheckpointing, 8).graph, { residence: 'mapped', threads: 1 })
    results.push(await session.run(feeds))
    await session.dispose()
  }
  const [kept, anew] = results
  expect(Object.keys(kept!)).toHaveLength(2 + network.size)
  expect(anew).toEqual(kept)
})

test('gradient_checkpointing: what is alive at once falls to less than half', () => {
  const [kept, anew] = [false, true].map((isCheckpointing) =>
    activationBytes(fixedFirst(step(isCheckpointing, 16).graph), {}),
  )
  expect(anew! / kept!).toBeLessThan(1 / 2)
})
