// Makes two pictures, tells how far they are, and writes them here: npx tsx examples/makePictures.ts [ADDRESS] [FOLDER]
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { hasEnded, StudioClient } from 'athanor/client'

export async function makePictures(address: string, folder: string): Promise<readonly string[]> {
  const studio = new StudioClient(address)
  const job = await studio.submit({
    endpoint: 'txt2img',
    request: { prompt: 'a red apple', steps: 8, width: 64, height: 64, batch_size: 2, seed: 7 },
  })

  const paths: string[] = []
  for await (const event of studio.events({ job: job.id })) {
    const { progress } = event.job ?? {}
    if (event.kind === 'step' && progress) process.stdout.write(`step ${progress.step} of ${progress.steps}\n`)
    if (!event.job || !hasEnded(event.job)) continue
    if (event.job.error) throw new Error(event.job.error.message)
    for (const { index, url } of event.job.pictures) {
      const path = join(folder, `apple-${index}.png`)
      await writeFile(path, await studio.file(url))
      paths.push(path)
    }
  }
  return paths
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , address = 'http://127.0.0.1:7860', folder = '.'] = process.argv
  for (const path of await makePictures(address, folder)) process.stdout.write(`${path}\n`)
}
