// Drives a server with two npm clients, unmodified, and says what it got.
//
// usage: npm i stable-diffusion-api node-sd-webui --ignore-scripts (with "overrides": { "sharp": "0.35.5" }), then, in
// that folder: node npmClients.mjs http://HOST:PORT
import { createRequire } from 'node:module'
import { join } from 'node:path'

process.on('uncaughtException', (error) => {
  console.log(`FAILED  ${error.message} ${JSON.stringify(error.response?.data ?? '')}`)
  process.exit(1)
})

const url = new URL(process.argv[2])
const require = createRequire(join(process.cwd(), 'package.json'))
const { StableDiffusionApi } = require('stable-diffusion-api')
const { default: sdwebui } = require('node-sd-webui')

function check(name, condition) {
  console.log(`${condition ? 'ok' : 'FAILED'}  ${name}`)
  if (!condition) process.exit(1)
}

const size = { width: 64, height: 64, steps: 3, seed: 7 }

const api = new StableDiffusionApi({
  host: url.hostname,
  port: Number(url.port),
  protocol: 'http',
  defaultStepCount: 3,
})
const made = await api.txt2img({ prompt: 'a cat', sampler_name: 'Euler a', ...size, batch_size: 2 })
check('stable-diffusion-api: txt2img', made.images.length === 2 && JSON.parse(made.info).all_seeds[1] === 8)
const again = await api.img2img({ init_images: [made.images[0]], prompt: 'a dog', sampler_name: 'Euler a', ...size })
check('stable-diffusion-api: img2img', (await again.image.metadata()).width === 64)
const large = await api.extraSingle({ image: made.images[0], upscaler_1: 'Lanczos', upscaling_resize: 2 })
check('stable-diffusion-api: extraSingle', (await large.image.metadata()).width === 128)
check('stable-diffusion-api: pngInfo', (await api.pngInfo(made.images[0])) !== undefined)
check('stable-diffusion-api: getSamplers', (await api.getSamplers()).length === 20)
check('stable-diffusion-api: getSdModels', (await api.getSdModels()).length > 0)
check('stable-diffusion-api: getOptions', (await api.getOptions()).samples_format === 'png')
await api.setOptions({ eta_noise_seed_delta: 31337 })
check('stable-diffusion-api: setOptions', (await api.getOptions()).eta_noise_seed_delta === 31337)
await api.setOptions({ eta_noise_seed_delta: 0 })
check('stable-diffusion-api: getProgress', (await api.getProgress()).progress === 0)

const client = sdwebui({ apiUrl: url.origin })
const { images } = await client.txt2img({ prompt: 'a mushroom', samplingMethod: 'Euler a', ...size, batchSize: 2 })
check('node-sd-webui: txt2img', images.length === 2)
const second = await client.img2img({ prompt: 'a tree', imageData: [images[0]], samplingMethod: 'Euler a', ...size })
check('node-sd-webui: img2img', second.images.length === 1)
const told = await client.pngInfo({ imageData: `data:image/png;base64,${images[0]}` })
check('node-sd-webui: pngInfo', JSON.stringify(told).includes('a mushroom'))
