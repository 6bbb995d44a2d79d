import { afterEach, expect, test, vi } from 'vitest'
import { submission, type TestServer, testServer } from './testServer.ts'

// What happens to a queue when somebody sets the clock of the machine, or summer ends.

let server: TestServer
afterEach(async () => {
  vi.useRealTimers()
  await server.close()
})

const submit = async (title: string) => {
  const payload = { ...submission('slow', { steps: 5 }), title, save: false }
  const reply = await server.app.inject({ method: 'POST', url: '/api/v1/jobs', payload })
  return (reply.json() as { id: string }).id
}

const day = 86_400_000

test.each([
  ['back by a day', -day],
  ['forward by a day', day],
  ['back by the hour of summer time', -3_600_000],
])('a clock that is set %s changes no turn, and nobody is told of a negative time', async (_, jump) => {
  server = await testServer()
  const now = Date.now()
  const ids = [await submit('first'), await submit('second')]
  const etas: number[] = []
  const started: string[] = []
  server.queue.subscribe((event) => {
    if (event.kind === 'started') started.push(event.job.title)
    if (event.kind === 'step') etas.push(event.job.progress?.etaSeconds ?? 0)
  })
  vi.useFakeTimers({ toFake: ['Date'], now: now + jump })
  ids.push(await submit('third'))
  const { waitSeconds } = await server.queue.status()
  expect(waitSeconds ?? 0).toBeGreaterThanOrEqual(0)
  for (const id of ids) expect((await server.queue.ended(await server.queue.get(id))).state).toBe('done')
  expect(started.slice(-2)).toEqual(['second', 'third'])
  expect(etas.length).toBeGreaterThan(0)
  for (const eta of etas) expect(eta).toBeGreaterThanOrEqual(0)
})
