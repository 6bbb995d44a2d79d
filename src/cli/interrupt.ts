/** A signal that Ctrl-C aborts; a second Ctrl-C ends the process at once. */
export function onInterrupt(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => {
    controller.abort()
    process.once('SIGINT', () => process.exit(130))
  })
  process.once('SIGTERM', () => controller.abort())
  return controller.signal
}
