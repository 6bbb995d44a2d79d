import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { JobQueue } from '../../jobs/queue.ts'

/** What Prometheus is told: requests, the queue, the workers, this process. */
export interface Metrics {
  readonly registry: Registry
  observeRequest(method: string, route: string, status: number, seconds: number): void
}

/** Counts what a queue does from now on. */
export function watch(queue: JobQueue): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })

  const requests = new Histogram({
    name: 'athanor_http_request_seconds',
    help: 'Time until a request was answered',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300],
    registers,
  })
  const ended = new Counter({ name: 'athanor_jobs_total', help: 'Jobs that ended', labelNames: ['state'], registers })
  for (const state of ['done', 'failed', 'cancelled']) ended.inc({ state }, 0)
  const retried = new Counter({ name: 'athanor_jobs_retried_total', help: 'Attempts lost to crashes', registers })
  const pictures = new Counter({ name: 'athanor_pictures_total', help: 'Pictures made', registers })
  const steps = new Histogram({
    name: 'athanor_step_seconds',
    help: 'Time between two denoising steps of a job',
    buckets: [0.01, 0.05, 0.2, 0.5, 1, 2, 5, 15, 60],
    registers,
  })
  const waits = new Histogram({
    name: 'athanor_job_wait_seconds',
    help: 'Time from submission to start',
    buckets: [0.01, 0.1, 1, 10, 60, 600, 3600],
    registers,
  })
  new Gauge({
    name: 'athanor_queue_jobs',
    help: 'Jobs that have not ended',
    labelNames: ['state'],
    registers,
    async collect() {
      const { queued, running } = await queue.status()
      this.set({ state: 'queued' }, queued)
      this.set({ state: 'running' }, running)
    },
  })
  new Gauge({
    name: 'athanor_workers',
    help: 'Worker processes',
    labelNames: ['state'],
    registers,
    async collect() {
      const { workers } = await queue.status()
      for (const state of ['starting', 'idle', 'busy', 'stopped'] as const) {
        this.set({ state }, workers.filter((worker) => worker.state === state).length)
      }
    },
  })
  new Gauge({
    name: 'athanor_worker_memory_bytes',
    help: 'Resident memory of a worker after its last job',
    labelNames: ['worker'],
    registers,
    async collect() {
      for (const { id, memoryBytes } of (await queue.status()).workers) this.set({ worker: id }, memoryBytes)
    },
  })

  const lastStep = new Map<string, number>()
  queue.subscribe((event) => {
    if (event.kind === 'step') {
      const now = performance.now()
      const before = lastStep.get(event.job.id)
      if (before !== undefined) steps.observe((now - before) / 1000)
      lastStep.set(event.job.id, now)
    } else if (event.kind === 'picture') pictures.inc()
    else if (event.kind === 'requeued') retried.inc()
    else if (event.kind === 'started') {
      const { startedAt, submittedAt } = event.job
      waits.observe(Math.max(0, Number(startedAt ?? submittedAt) - Number(submittedAt)) / 1000)
    } else if (event.kind === 'done' || event.kind === 'failed' || event.kind === 'cancelled') {
      ended.inc({ state: event.kind })
      lastStep.delete(event.job.id)
    }
  })

  return {
    registry,
    observeRequest: (method, route, status, seconds) =>
      requests.observe({ method, route, status: String(status) }, seconds),
  }
}
