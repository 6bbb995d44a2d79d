// Lists saved pictures whose prompts hold some words, newest first: npx tsx examples/searchGallery.ts WORDS [ADDRESS]
import { pathToFileURL } from 'node:url'
import { StudioClient, type StudioImage } from 'athanor/client'

/** Every page of a search, one picture after the other. */
export async function* searchGallery(address: string, text: string): AsyncGenerator<StudioImage> {
  const { api } = new StudioClient(address)
  let cursor: string | null | undefined
  do {
    const query = { text, limit: 100, ...(cursor && { cursor }) }
    const { data, error } = await api.GET('/api/v1/images', { params: { query } })
    if (error) throw new Error(error.error.message)
    yield* data.images
    cursor = data.next
  } while (cursor)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , words = '', address = 'http://127.0.0.1:7860'] = process.argv
  for await (const { fileName, prompt, seed } of searchGallery(address, words)) {
    process.stdout.write(`${fileName}\t${seed}\t${prompt}\n`)
  }
}
