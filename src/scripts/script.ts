import type { Endpoint } from '../pipeline/wire/request.ts'
import type { Argument } from './arguments.ts'
import type { Names } from './names.ts'
import type { Painter } from './painter.ts'
import type { Processed, TaskProgress } from './processed.ts'

/** A script of A1111's script menu: it makes several recipes of one request and puts the results together. */
export interface Script {
  /** As clients call it, in any case. */
  readonly title: string
  readonly endpoints: readonly Endpoint[]
  /** What `script-info` tells; `names` are those of the models at hand. */
  readonly args: (endpoint: Endpoint, names: Names) => readonly Argument<unknown>[]
  readonly run: (painter: Painter, args: readonly unknown[]) => AsyncGenerator<TaskProgress, Processed>
}
