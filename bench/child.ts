import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A process that answers one JSON line with another. */
export interface Child {
  ask<Answer>(question: object): Promise<Answer>
  stop(): Promise<void>
}

/** Starts a measuring process; what it writes to its error output is shown. */
export function startChild(command: string, args: readonly string[]): Child {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = []
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.resolve(line))
  const ended = endOf(child)
  void ended.then((code) => {
    for (const { reject } of waiting) reject(new Error(`${command} ${args.join(' ')} ended with ${code}`))
  })
  return {
    async ask<Answer>(question: object) {
      const answer = new Promise<string>((resolve, reject) => waiting.push({ resolve, reject }))
      child.stdin.write(`${JSON.stringify(question)}\n`)
      return JSON.parse(await answer) as Answer
    },
    async stop() {
      child.stdin.end()
      await ended
    },
  }
}

function endOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('exit', (code, signal) => resolve(code ?? signal ?? 'nothing'))
  })
}
