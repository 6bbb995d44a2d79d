// Writes the types of the client, src/client/schema.ts, from the document that the server makes of its own schemas.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { clientTypes } from './clientTypes.ts'

writeFileSync(fileURLToPath(new URL('../src/client/schema.ts', import.meta.url)), await clientTypes())
