import type { Services } from '../services.ts'
import type { Feed } from './feed.ts'
import type { Wire } from './wire.ts'

/** What native routes work with. */
export interface NativeServices extends Services {
  readonly wire: Wire
  readonly feed: Feed
  /** The path of the native API. */
  readonly prefix: string
}
