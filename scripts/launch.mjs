// Sets up what is missing and runs the program in this same process.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkNode, ensureBuilt, ensureInstalled, root } from './setup.mjs'

checkNode()
ensureInstalled()
ensureBuilt()
await import(pathToFileURL(join(root, 'dist', 'cli', 'main.js')).href)
