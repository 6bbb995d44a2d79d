#!/usr/bin/env node
import { Command } from 'commander'
import { StudioError } from '../errors.ts'
import { version } from '../version.ts'
import { datasetCommand } from './dataset.ts'
import { generateCommand } from './generate.ts'
import { inspectCommand } from './inspect.ts'
import { loraToolsCommand } from './lora.ts'
import { measureCommand } from './measure.ts'
import { mergeCommand } from './merge.ts'
import { serveCommand } from './serve.ts'
import { trainCommand } from './train.ts'
import { verifyCommand } from './verify.ts'

// The native runtime reads this when it loads, which is long after this line.
process.env.ORT_DISABLE_TELEMETRY = '1'

const program = new Command('athanor')
  .description('A Stable Diffusion studio. Without a command it starts the server.')
  .version(version)
  .showHelpAfterError('(--help explains every option)')
  .addCommand(serveCommand(), { isDefault: true })
  .addCommand(generateCommand())
  .addCommand(datasetCommand())
  .addCommand(inspectCommand())
  .addCommand(mergeCommand())
  .addCommand(loraToolsCommand())
  .addCommand(measureCommand())
  .addCommand(trainCommand())
  .addCommand(verifyCommand())

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
