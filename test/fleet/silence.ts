import type { Hand } from '../../src/jobs/fleet/hand.ts'

/**
 * A machine falls silent, as when its network stalls: its locks are not renewed any more, and it takes up nothing new. It
 * works on at what it has, and is told that a lock is another's by now only when it asks.
 */
export function silence({ fleet: { line, redis } }: Hand): void {
  line.renew = async () => []
  line.take = async () => undefined
  line.holds = async (id, token) => (await redis.get(`${line.queue.toKey(id)}:lock`)) === token
}
