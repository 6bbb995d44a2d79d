// What runs in the page sees the page's globals.
/// <reference lib="dom" />
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { chromiumPath, openPage, startBrowser, startStudioServer } from './studioPage.ts'

if (chromiumPath === undefined) {
  const advice = 'no Chromium here (apt-get install chromium, or CHROMIUM=/path/to/it): the page is not tried'
  if (process.env.CI) throw new Error(advice)
  console.warn(advice)
}

/** How long a busy machine may take for what is usually there at once. */
const patience = { timeout: 60_000 }

describe.skipIf(chromiumPath === undefined)('the page in a browser', () => {
  let server: Awaited<ReturnType<typeof startStudioServer>>
  let browser: Browser
  let page: Page
  /** What the browser complains about, what it asks of other places, and what it is refused. */
  let complaints: string[]

  beforeAll(async () => {
    server = await startStudioServer()
    browser = await startBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })

  beforeEach(async () => {
    ;({ page, complaints } = await openPage(browser, server.url))
    await page.goto(server.url)
    await page.getByLabel('Width', { exact: true }).first().fill('64')
    await page.getByLabel('Height', { exact: true }).first().fill('64')
    await page.getByLabel('Steps', { exact: true }).first().fill('4')
  })
  afterEach(async () => {
    await page.context().close()
  })

  const infotext = () => page.getByTestId('infotext').innerText()
  const queued = () => page.getByTestId('queue').getByRole('listitem')

  test('words become a picture that tells its parameters, and those fill the form again', async () => {
    await page.getByLabel('Seed', { exact: true }).fill('1234')
    const prompt = page.getByLabel(/^Prompt/)
    await prompt.fill('a red car')
    await expect.poll(() => page.getByTestId('prompt-tokens').innerText(), patience).toBe('3/75')
    await page.getByRole('button', { name: 'LoRA & embeddings' }).click()
    await page.getByRole('button', { name: 'tinylora' }).click()
    expect(await prompt.inputValue()).toBe('a red car, <lora:tinylora:1>')

    await prompt.press('Control+Enter')
    await page.getByTestId('infotext').waitFor()
    const said = await infotext()
    expect(said).toMatch(/^a red car, <lora:tinylora:1>\nSteps: 4, Sampler: DPM\+\+ 2M, .*Seed: 1234, Size: 64x64/)
    const picture = page.getByRole('img', { name: 'Picture: a red car' }).first()
    expect(await picture.evaluate((image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight])).toEqual([
      64, 64,
    ])

    await prompt.fill('something else')
    await page.getByLabel('Seed', { exact: true }).fill('5')
    await page.getByRole('button', { name: 'Reuse parameters' }).click()
    await expect.poll(() => prompt.inputValue(), patience).toBe('a red car, <lora:tinylora:1>')
    await expect.poll(() => page.getByLabel('Seed', { exact: true }).inputValue(), patience).toBe('1234')
    expect(complaints).toEqual([])
  })

  test('jobs that wait are still there after a reload, can be cancelled, and run in the end', async () => {
    await page.getByRole('button', { name: 'Pause the queue' }).click()
    await page.getByRole('button', { name: 'Go on' }).waitFor()
    const prompt = page.getByLabel(/^Prompt/)
    for (const words of ['the first', 'the second']) {
      await prompt.fill(words)
      await prompt.press('Control+Enter')
      await queued().filter({ hasText: words }).waitFor()
    }
    await page.reload()
    await expect.poll(() => queued().count(), patience).toBe(2)
    expect(await prompt.inputValue()).toBe('the second')

    await queued().filter({ hasText: 'the second' }).getByRole('button', { name: 'Earlier' }).click()
    await expect.poll(async () => (await queued().allInnerTexts())[0], patience).toContain('the second')
    await queued().filter({ hasText: 'the first' }).getByRole('button', { name: 'Cancel' }).click()
    await expect.poll(() => queued().count(), patience).toBe(1)
    await page.getByRole('button', { name: 'Go on' }).click()
    await expect.poll(infotext, patience).toMatch(/^the second\n/)
    expect(complaints).toEqual([])
  })

  test('a long job shows what is coming and ends early with what it has', async () => {
    await page.getByLabel('Steps', { exact: true }).first().fill('2000')
    const prompt = page.getByLabel(/^Prompt/)
    await prompt.fill('a long way')
    await prompt.press('Control+Enter')
    const preview = page.getByRole('img', { name: 'Preview: a long way' })
    await preview.waitFor()
    await page.getByText(/Step \d+ of 2000 · \d+:\d\d left/).waitFor()
    await page.getByRole('button', { name: 'Interrupt' }).click()
    await page.getByText('finished early').waitFor()
    expect(await infotext()).toMatch(/^a long way\n/)
    expect(complaints).toEqual([])
  })

  test('a mistake is told beside the control it is about, in the language of the page', async () => {
    await page.getByRole('combobox', { name: 'Language' }).click()
    await page.getByRole('option', { name: '简体中文' }).click()
    await page.getByRole('button', { name: '生成', exact: true }).waitFor()
    expect(await page.evaluate(() => document.documentElement.lang)).toBe('zh-CN')

    await page.getByLabel('迭代步数', { exact: true }).first().fill('20000')
    await page.getByRole('button', { name: '生成', exact: true }).click()
    await page.getByRole('alert').filter({ hasText: '请检查“迭代步数”' }).waitFor()
    expect(complaints.filter((complaint) => !complaint.includes('422'))).toEqual([])
    await page.reload()
    await page.getByRole('button', { name: '生成', exact: true }).waitFor()
  })

  test('the page is asked for anew each time and its assets never again, and no script but its own may run', async () => {
    const top = await fetch(server.url)
    const policy = top.headers.get('content-security-policy')
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toContain('unsafe')
    expect(top.headers.get('x-content-type-options')).toBe('nosniff')
    expect(top.headers.get('cache-control')).toBe('no-cache')
    const script = /src="\.\/(assets\/[\w.-]+\.js)"/.exec(await top.text())?.[1]
    const asset = await fetch(`${server.url}/${script}`)
    expect(asset.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
    expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect((await fetch(`${server.url}/assets/..%2f..%2fpackage.json`)).status).toBe(404)
  })
})
