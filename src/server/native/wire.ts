import { parse } from 'node:path'
import type { Gallery, GalleryImage } from '../../gallery/gallery.ts'
import { fileNameOf } from '../../gallery/gallery.ts'
import type { Job, JobEvent, JobProgress } from '../../jobs/job.ts'
import type { QueueStatus } from '../../jobs/queue.ts'
import type { MadePicture } from '../../jobs/task.ts'
import type { WireEvent, WireImage, WireJob, WirePicture } from './schemas.ts'

/** Says how what happens inside looks outside. Addresses begin with the path the server is mounted under. */
export class Wire {
  readonly #base: string
  readonly #gallery: Gallery

  constructor(subpath: string, gallery: Gallery) {
    this.#base = `${subpath}/api/v1`
    this.#gallery = gallery
  }

  job(job: Job): WireJob {
    const { id, kind, state, user, tag, title, priority, attempts, ahead, error, result, progress } = job
    return {
      ...{ id, kind, state, user, title, priority, attempts },
      tag: tag ?? null,
      submittedAt: job.submittedAt.toISOString(),
      startedAt: job.startedAt?.toISOString() ?? null,
      endedAt: job.endedAt?.toISOString() ?? null,
      ahead: ahead ?? null,
      progress: progress ? this.#progress(id, progress) : null,
      error: error ? { code: error.code, message: error.message, field: error.field ?? null } : null,
      pictures: (result?.pictures ?? []).map((picture) => this.picture(id, picture)),
      isInterrupted: result !== undefined && 'isInterrupted' in result && result.isInterrupted,
    }
  }

  #progress(id: string, { preview, etaSeconds, ...progress }: JobProgress): WireJob['progress'] {
    return {
      ...progress,
      etaSeconds: etaSeconds ?? null,
      preview: preview
        ? {
            number: preview.number,
            width: preview.width,
            height: preview.height,
            url: `${this.#base}/jobs/${id}/preview?number=${preview.number}`,
          }
        : null,
    }
  }

  picture(jobId: string, picture: MadePicture): WirePicture {
    const { index, width, height, seed, infotext, file, firstPassFile, byProducts = [], savedPath } = picture
    const urlOf = (name: string) => `${this.#base}/jobs/${jobId}/files/${name}`
    return {
      ...{ index, width, height, seed, infotext },
      url: urlOf(file),
      firstPassUrl: firstPassFile === undefined ? null : urlOf(firstPassFile),
      byProducts: byProducts.map(({ kind, file: name }) => ({ kind, url: urlOf(name) })),
      imageId: (savedPath !== undefined && this.#gallery.idOf(savedPath)) || null,
    }
  }

  event(event: JobEvent): WireEvent {
    return {
      kind: event.kind,
      ...('job' in event && { job: this.job(event.job) }),
      ...(event.kind === 'picture' && { picture: this.picture(event.job.id, event.picture) }),
    }
  }

  /** Workers by the name of what they hold; where it lies is nobody's business. */
  queue({ waitSeconds, workers, ...status }: QueueStatus) {
    return {
      ...status,
      waitSeconds: waitSeconds ?? null,
      workers: workers.map(({ checkpoint, jobId, ...worker }) => ({
        ...worker,
        checkpoint: checkpoint === undefined ? null : parse(checkpoint).name,
        jobId: jobId ?? null,
      })),
    }
  }

  image(image: GalleryImage): WireImage {
    const { path: _, model, seed, createdAt, ...rest } = image
    const url = `${this.#base}/images/${image.id}`
    return {
      ...rest,
      fileName: fileNameOf(image),
      createdAt: createdAt.toISOString(),
      model: model ?? null,
      seed: seed ?? null,
      url: `${url}/file`,
      thumbnailUrl: `${url}/thumbnail`,
    }
  }
}
