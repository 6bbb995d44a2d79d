import type { JobQueue } from '../jobs/queue.ts'
import { factsOf } from './describePicture.ts'
import type { Gallery } from './gallery.ts'

/** Lists every picture that a queue saves from now on, at once: whoever hears of it can ask for it. */
export function follow(queue: JobQueue, gallery: Gallery, log: (message: string, error: unknown) => void): void {
  queue.subscribe((event) => {
    if (event.kind !== 'picture' || event.picture.savedPath === undefined) return
    try {
      gallery.addKnown(event.picture.savedPath, factsOf(event.picture))
    } catch (error) {
      log('a picture could not be listed', error)
    }
  })
}
