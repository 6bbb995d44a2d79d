import { Worker } from 'node:worker_threads'
import { type NativeOptions, type NativeSession, refusal, sessionOptions } from './native.ts'
import type { ThreadReply, ThreadRequest } from './threadMessages.ts'

/**
 * Gives a ModelProto to the native library on a thread of its own: runs of several such sessions go on at once, and the
 * caller's thread stays free. Feeds in shared memory are read where they are, others are copied.
 */
export async function openThread(model: Uint8Array, options: NativeOptions): Promise<NativeSession> {
  process.env.ORT_DISABLE_TELEMETRY = '1'
  const thread = new Worker(new URL('./sessionThread.mjs', import.meta.url), {
    workerData: { model, options: sessionOptions(options) },
    // What this process was started with is for its own kind of sources.
    execArgv: [],
  })
  thread.unref()
  const ask = asker(thread)
  const opened = await ask({ kind: 'open' })
  if (opened.kind !== 'opened') throw new Error(`internal: the session's thread answers ${opened.kind}`)
  return {
    inputs: opened.inputs,
    outputs: opened.outputs,
    async run(feeds, into) {
      if (into) throw new Error('internal: a session on a thread of its own writes to its own memory')
      const reply = await ask({ kind: 'run', feeds })
      if (reply.kind !== 'ran') throw new Error(`internal: the session's thread answers ${reply.kind}`)
      return { ...reply.results }
    },
    async dispose() {
      await ask({ kind: 'close' })
      await thread.terminate()
    },
  }
}

/** Sends requests and hands out the replies, which come in the same order; a thread that dies fails all of them. */
function asker(thread: Worker): (request: ThreadRequest) => Promise<ThreadReply> {
  const waiting: { resolve: (reply: ThreadReply) => void; reject: (error: Error) => void }[] = []
  let end: Error | undefined
  thread.on('message', (reply: ThreadReply) => {
    const next = waiting.shift()
    if (reply.kind === 'failed') next?.reject(refusal(new Error(reply.message)))
    else next?.resolve(reply)
    if (waiting.length === 0) thread.unref()
  })
  const fail = (error: Error) => {
    end ??= error
    for (const { reject } of waiting.splice(0)) reject(end)
  }
  thread.on('error', (error) => fail(refusal(error)))
  thread.on('exit', (code) => fail(new Error(`internal: the session's thread ended with ${code}`)))
  return (request) =>
    new Promise((resolve, reject) => {
      if (end) return reject(end)
      thread.ref()
      waiting.push({ resolve, reject })
      thread.postMessage(request)
    })
}
