import { afterAll, beforeAll } from 'vitest'
import { openStudio, type Studio } from '../../src/pipeline/studio.ts'
import { dataFolder } from './dataFolder.ts'

/**
 * A studio on the recorded models for the tests of one file, to be called where they are defined. The reference ran on
 * a CPU, whose numbers its "GPU" noise therefore was; one thread, because several test files run at once.
 */
export function goldenStudio(): () => Studio {
  let data: ReturnType<typeof dataFolder>
  let studio: Studio
  beforeAll(() => {
    data = dataFolder()
    studio = openStudio(data.path, { gpuNoise: 'cpu', threads: 1 })
  })
  afterAll(async () => {
    await studio.close()
    data.remove()
  })
  return () => studio
}
