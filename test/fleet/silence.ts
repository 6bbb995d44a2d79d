import type { Hand } from '../../src/jobs/fleet/hand.ts'

/**
 * A machine falls silent, as when its network stalls: its locks are not renewed any more. It notices nothing and works
 * on, and is told that a lock is another's by now only when it asks.
 */
export function silence({ fleet: { line, redis } }: Hand): void {
  line.renew = async () => []
  line.holds = async (id, token) => (await redis.get(`${line.queue.toKey(id)}:lock`)) === token
}
