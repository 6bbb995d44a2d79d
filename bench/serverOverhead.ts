// What the server costs per request outside the engine: jobs on an engine that computes nothing, submitted one after the
// other and several at once, each followed to its end. npx tsx bench/serverOverhead.ts [SECONDS]
import { setTimeout } from 'node:timers/promises'
import autocannon from 'autocannon'
import { submission, testServer } from '../test/server/testServer.ts'

const seconds = Number(process.argv[2] ?? 5)
const server = await testServer({}, { workers: 2, limits: { queued: 1e6, queuedPerUser: 1e6 } })
const address = await server.app.listen({ port: 0, host: '127.0.0.1' })

const submitted = { ...submission('a', { steps: 1 }), save: false }
const json = { method: 'POST', headers: { 'content-type': 'application/json' } } as const
const routes: readonly (readonly [title: string, options: Partial<autocannon.Options>])[] = [
  ['health check', { url: `${address}/healthz` }],
  ['look at the queue', { url: `${address}/api/v1/queue` }],
  ['submit a job', { ...json, url: `${address}/api/v1/jobs`, body: JSON.stringify(submitted) }],
  // With the stub engine's own millisecond, and the picture read, encoded and sent.
  ['txt2img of A1111', { ...json, url: `${address}/sdapi/v1/txt2img`, body: JSON.stringify(submitted.request) }],
]

/** Whoever waits for a picture would wait for the jobs that were only submitted before. */
async function drained(): Promise<void> {
  for (;;) {
    const reply = await fetch(`${address}/api/v1/queue`)
    const { queued, running } = (await reply.json()) as { queued: number; running: number }
    if (queued + running === 0) return
    await setTimeout(100)
  }
}

process.stdout.write('request              clients    p50 ms   p99 ms   a second   refused or failed\n')
for (const [title, options] of routes) {
  for (const connections of [1, 10]) {
    await drained()
    const { latency, requests, non2xx, errors } = await autocannon({
      url: address,
      ...options,
      connections,
      duration: seconds,
    })
    const cells = [latency.p50.toFixed(1), latency.p99.toFixed(1), requests.average.toFixed(0), String(non2xx + errors)]
    process.stdout.write(
      `${title.padEnd(20)} ${String(connections).padStart(7)} ${cells.map((cell, i) => cell.padStart([9, 8, 10, 19][i]!)).join(' ')}\n`,
    )
  }
}
await server.close()
process.exit(0)
