import type { Tensor } from '../tensor/tensor.ts'
import type { Feed } from './feed.ts'

/** What a session's thread is asked. */
export type ThreadRequest =
  | { readonly kind: 'open' }
  | { readonly kind: 'run'; readonly feeds: Readonly<Record<string, Feed>> }
  | { readonly kind: 'close' }

/** What it answers, one reply to each request in turn. */
export type ThreadReply =
  | { readonly kind: 'opened'; readonly inputs: readonly string[]; readonly outputs: readonly string[] }
  | { readonly kind: 'ran'; readonly results: Readonly<Record<string, Tensor>> }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly message: string }
