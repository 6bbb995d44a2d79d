import openapiTS, { astToString, type OpenAPI3 } from 'openapi-typescript'
import { testServer } from '../test/server/testServer.ts'

/** The native API in TypeScript, as the server's own document describes it. */
export async function clientTypes(): Promise<string> {
  const { app, close } = await testServer()
  try {
    const document = app.swagger() as unknown as OpenAPI3
    const paths = Object.entries(document.paths ?? {}).filter(([path]) => path.startsWith('/api/v1'))
    const nodes = await openapiTS({ ...document, paths: Object.fromEntries(paths) }, { defaultNonNullable: false })
    return `// Written by scripts/openapi.ts.\n${astToString(nodes)}`
  } finally {
    await close()
  }
}
