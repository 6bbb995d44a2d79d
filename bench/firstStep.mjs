// Runs the built command line as it is, says when its UNet is first run, and ends there.
import { SessionPool } from '../dist/pipeline/sessionPool.js'

const get = SessionPool.prototype.get
SessionPool.prototype.get = async function (role, ...rest) {
  const session = await get.call(this, role, ...rest)
  if (role !== 'unet') return session
  return {
    ...session,
    run() {
      process.stdout.write(`${JSON.stringify({ at: Date.now() })}\n`, () => process.exit(0))
      return new Promise(() => {})
    },
  }
}
await import('../dist/cli/main.js')
