import type { Order, Report, Work } from '../jobs/crew.ts'

/** From the server to a worker process. */
export type ToWorker =
  | ({ readonly kind: 'run' } & Work)
  | { readonly kind: 'order'; readonly jobId: string; readonly order: Order }

/** From a worker process to the server. */
export type FromWorker =
  /** It can take a job. Sent once at the start and after every job. */
  | { readonly kind: 'idle'; readonly checkpoint: string | undefined; readonly memoryBytes: number }
  | { readonly kind: 'report'; readonly jobId: string; readonly report: Report }
  /** It cannot work at all, and ends. */
  | { readonly kind: 'unfit'; readonly message: string }
