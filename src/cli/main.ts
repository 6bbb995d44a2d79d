#!/usr/bin/env node
import { Command } from 'commander'
import { StudioError } from '../errors.ts'
import { version } from '../version.ts'

// The native runtime reads this when it loads, which is long after this line.
process.env.ORT_DISABLE_TELEMETRY = '1'

/** Each command with its own modules, so that one does not wait for what the others need. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serveCommand(),
  generate: async () => (await import('./generate.ts')).generateCommand(),
  dataset: async () => (await import('./dataset.ts')).datasetCommand(),
  compare: async () => (await import('./compare.ts')).compareCommand(),
  inspect: async () => (await import('./inspect.ts')).inspectCommand(),
  merge: async () => (await import('./merge.ts')).mergeCommand(),
  lora: async () => (await import('./lora.ts')).loraToolsCommand(),
  measure: async () => (await import('./measure.ts')).measureCommand(),
  train: async () => (await import('./train.ts')).trainCommand(),
  worker: async () => (await import('./worker.ts')).workerCommand(),
  verify: async () => (await import('./verify.ts')).verifyCommand(),
}

const program = new Command('athanor')
  .description('A Stable Diffusion studio. Without a command it starts the server.')
  .version(version)
  .showHelpAfterError('(--help explains every option)')
const named = process.argv[2] ?? ''
for (const [name, load] of Object.entries(commands)) {
  // Without a command's name it may be any of them, or the list of all.
  if (!Object.hasOwn(commands, named) || name === named) {
    program.addCommand(await load(), { isDefault: name === 'serve' })
  }
}

/** Codes of errors that lie in what the user asked, as opposed to the state of the machine. */
const usage: ReadonlySet<string> = new Set(['bad-request', 'unknown-name'])

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof StudioError)) throw error
  if (error.code === 'cancelled') {
    process.stderr.write('Stopped; nothing unfinished was saved.\n')
    process.exitCode = 130
  } else {
    process.stderr.write(`error: ${error.message}\n`)
    process.exitCode = usage.has(error.code) ? 2 : 1
  }
}
