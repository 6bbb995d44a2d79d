import { StudioError } from '../errors.ts'
import { encodePng } from '../image/encode.ts'
import { postprocess } from '../pipeline/postprocess.ts'
import type { Studio } from '../pipeline/studio.ts'
import type { Runner } from './runner.ts'

/** Enlarges finished pictures, one after the other. */
export function postprocessRunner(studio: Studio): Runner<'postprocess'> {
  return async ({ pictures, settings }, { signal, interrupt, report, stage }) => {
    const outputs: string[] = []
    const infotexts: string[] = []
    for (const [i, source] of pictures.entries()) {
      if (signal.aborted) throw new StudioError('cancelled', 'stopped on request')
      if (interrupt.aborted) break
      const { picture, infotext } = await postprocess(studio, source, settings)
      outputs.push(await stage(`${i}.png`, await encodePng(picture)))
      infotexts.push(infotext)
      const done = { pass: 'first', batch: i, batches: pictures.length, step: 1, steps: 1, preview: undefined } as const
      report({ kind: 'step', ...done, fraction: (i + 1) / pictures.length })
    }
    return { pictures: [], outputs, infotexts }
  }
}
