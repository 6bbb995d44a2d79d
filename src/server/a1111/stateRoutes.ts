import { totalmem } from 'node:os'
import type { FastifyInstance } from 'fastify'
import { decodePicture } from '../../image/decode.ts'
import { encodePicture } from '../../image/encode.ts'
import type { Job } from '../../jobs/job.ts'
import type { Context } from './context.ts'
import { bool, given, int, mandatory, str } from './fieldTypes.ts'
import { base64, encodeFile } from './outputs.ts'
import { trainingShare, trainingState } from './progress.ts'
import { route } from './route.ts'

const progressFields = [mandatory('id_task', str), given('id_live_preview', int, -1), given('live_preview', bool, true)]

/** Where the work is, and how to end it early. */
export function stateRoutes(app: FastifyInstance, context: Context): void {
  const { queue, board, options, runs } = context

  const query = { skip_current_image: { type: 'boolean', default: false } }
  route(app, 'GET', '/sdapi/v1/progress', { summary: 'How far the job under way is', query }, async ({ request }) => {
    const { skip_current_image: skipped } = request.query as { readonly skip_current_image?: string }
    const isShown = !/^(1|true|on|yes|y|t)$/i.test(skipped ?? 'false')
    const preview = isShown ? board.current?.progress?.preview : undefined
    const format = { ...context.studio.options, enable_pnginfo: true }
    const training = board.current ? undefined : runs.current('embedding')
    return {
      ...(training ? trainingShare(training) : board.share),
      state: training ? trainingState(training) : board.state,
      current_image: preview ? await encodeFile(preview.png, format) : null,
      textinfo: null,
    }
  })

  route(app, 'POST', '/sdapi/v1/interrupt', { summary: 'End the job under way with what it has' }, async () => {
    board.note('interrupted')
    if (board.current) await queue.interrupt(board.current.id).catch(ignoreEnded)
    else {
      const training = runs.current('embedding')
      if (training) runs.stop(training.id)
    }
    return {}
  })
  route(app, 'POST', '/sdapi/v1/skip', { summary: 'End the batch under way with what it has' }, async () => {
    board.note('skipped')
    if (board.current) await queue.skip(board.current.id).catch(ignoreEnded)
    return null
  })

  route(
    app,
    'POST',
    '/internal/progress',
    { summary: 'How far a task is', fields: progressFields },
    async ({ values }) => {
      const [job] = await queue.list({ tag: String(values.id_task), limit: 1 })
      const format = options.get('live_previews_image_format')
      return taskProgress(job, Number(values.id_live_preview), values.live_preview === true, String(format))
    },
  )
  route(app, 'GET', '/internal/pending-tasks', { summary: 'Tasks that wait' }, async () => {
    const waiting = await queue.list({ states: ['queued'], limit: 1000 })
    return { size: waiting.length, tasks: waiting.map(({ id, tag }) => tag ?? id) }
  })
  route(app, 'GET', '/internal/ping', { summary: 'Is anybody there?' }, () => ({}))

  route(app, 'GET', '/sdapi/v1/memory', { summary: 'Memory of all processes' }, async () => {
    const { workers } = await queue.status()
    const used = process.memoryUsage.rss() + workers.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
    const total = totalmem()
    return { ram: { free: total - used, used, total }, cuda: { error: 'unavailable' } }
  })
}

/** A job that ends in this very moment needs no ending. */
function ignoreEnded(): void {}

async function taskProgress(job: Job | undefined, lastPreview: number, isWanted: boolean, format: string) {
  const isActive = job?.state === 'running'
  const isQueued = job?.state === 'queued'
  const about = { active: isActive, queued: isQueued, completed: job !== undefined && !isActive && !isQueued }
  if (!isActive) {
    const place = job?.ahead === undefined ? '' : `: ${job.ahead + 1}`
    return {
      ...about,
      progress: null,
      eta: null,
      live_preview: null,
      id_live_preview: -1,
      textinfo: isQueued ? `In queue${place}` : 'Waiting...',
    }
  }
  const { progress } = job
  const preview = progress?.preview
  const isNew = isWanted && preview !== undefined && preview.number !== lastPreview
  return {
    ...about,
    progress: progress?.fraction ?? 0,
    eta: progress?.etaSeconds ?? null,
    live_preview: isNew ? await dataUri(preview.png, format) : null,
    id_live_preview: preview?.number ?? lastPreview,
    textinfo: null,
  }
}

async function dataUri(png: Uint8Array, wanted: string): Promise<string> {
  if (wanted === 'png') return `data:image/png;base64,${base64(png)}`
  const { bytes, extension } = await encodePicture(await decodePicture(png), { format: wanted, quality: 80 })
  return `data:image/${extension === 'jpg' ? 'jpeg' : extension};base64,${base64(bytes)}`
}
