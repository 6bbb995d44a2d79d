// What runs in the page sees the page's globals.
/// <reference lib="dom" />
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodePng } from '../../src/image/encode.ts'
import { filled } from '../../src/image/picture.ts'
import { openEventFile, openPictureEventFile } from '../../src/train/log/eventFile.ts'
import { chromiumPath, openPage, startBrowser, startStudioServer } from './studioPage.ts'

/** How long a busy machine may take for what is usually there at once. */
const patience = { timeout: 60_000 }

describe.skipIf(chromiumPath === undefined)('the pages of trainings in a browser', () => {
  let server: Awaited<ReturnType<typeof startStudioServer>>
  let browser: Browser
  let page: Page
  /** What the browser complains about, and what it asks of other places. */
  let complaints: string[]

  beforeAll(async () => {
    server = await startStudioServer()
    for (const [run, from] of [
      ['first', 0.2],
      ['second', 0.1],
    ] as const) {
      const folder = join(server.dataDir, 'logs', run, 'network_train')
      mkdirSync(folder, { recursive: true })
      const file = openEventFile(folder, 1)
      for (let step = 1; step <= 40; step++) {
        file.scalars(step, { 'loss/average': from / step, 'lr/unet': 1e-4 })
      }
    }
    const png = await encodePng(filled(3, 16, 16, [200, 60, 30]))
    openPictureEventFile(join(server.dataDir, 'logs', 'second', 'network_train')).picture(20, 'sample/0', png, {
      width: 16,
      height: 16,
    })
    browser = await startBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })

  beforeEach(async () => {
    ;({ page, complaints } = await openPage(browser, server.url))
  })
  afterEach(async () => {
    await page.context().close()
  })

  test('curves of all runs, fewer of them, on another scale, smoother, in Chinese', async () => {
    await page.goto(`${server.url}/tensorboard.html`)
    const lines = (tag: string) => page.locator('figure', { hasText: tag }).locator('path.smooth')
    await expect.poll(() => lines('loss/average').count(), patience).toBe(2)
    expect(await lines('lr/unet').count()).toBe(2)
    const shape = () => lines('loss/average').first().getAttribute('d')
    const before = await shape()
    await page.getByLabel('Logarithmic scale').check()
    const logarithmic = await shape()
    expect(logarithmic).not.toBe(before)
    await page.getByLabel('Smoothing').fill('0')
    expect(await shape()).not.toBe(logarithmic)
    expect(await page.locator('path.raw').count()).toBe(0)
    await page.getByLabel('first/network_train').uncheck()
    await expect.poll(() => lines('loss/average').count(), patience).toBe(1)
    const picture = page.locator('.pictures img').first()
    await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth), patience).toBe(16)

    await page.getByLabel('Language').selectOption('zh-CN')
    await page.getByRole('heading', { name: '训练曲线' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: '训练曲线' }).waitFor()
    expect(complaints).toEqual([])
  })

  test('the training page says what there is, and leads to the curves', async () => {
    await page.goto(`${server.url}/training.html`)
    await page.getByText('No training was started from here yet').waitFor()
    await page.getByRole('link', { name: 'All curves' }).click()
    await page.getByRole('heading', { name: 'Training curves' }).waitFor()
    expect(complaints).toEqual([])
  })
})
