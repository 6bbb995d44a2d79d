const kair = 'https://github.com/cszn/KAIR/releases/download/v1.0'
const realEsrgan = 'https://github.com/xinntao/Real-ESRGAN/releases/download'
const dat = 'https://github.com/n0kovo/dat_upscaler_models/raw/main/DAT'
const swinIr = 'https://github.com/JingyunLiang/SwinIR/releases/download/v0.0'

function upscaler(name: string, path: string | null, scale = 4, model: string | null = null) {
  return { name, model_name: model, model_path: path, model_url: null, scale }
}

/**
 * Upscalers that the reference lists because it would download them when they are first used. This program downloads
 * nothing; lenient lists name them, so that clients find what they look for and their users where to get it.
 */
export const downloadable = [
  upscaler('DAT x2', `${dat}/DAT_x2.pth`, 2),
  upscaler('DAT x3', `${dat}/DAT_x3.pth`, 3),
  upscaler('DAT x4', `${dat}/DAT_x4.pth`),
  upscaler('ESRGAN_4x', `${kair}/ESRGAN.pth`, 4, 'ESRGAN_4x'),
  upscaler('LDSR', null),
  upscaler('R-ESRGAN 4x+', `${realEsrgan}/v0.1.0/RealESRGAN_x4plus.pth`),
  upscaler('R-ESRGAN 4x+ Anime6B', `${realEsrgan}/v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth`),
  upscaler('ScuNET GAN', `${kair}/scunet_color_real_gan.pth`, 4, 'ScuNET GAN'),
  upscaler('ScuNET PSNR', `${kair}/scunet_color_real_psnr.pth`, 4, 'ScuNET GAN'),
  upscaler('SwinIR 4x', `${swinIr}/003_realSR_BSRGAN_DFOWMFC_s64w8_SwinIR-L_x4_GAN.pth`, 4, 'SwinIR 4x'),
] as const

/** The same for the list of RealESRGAN's own models. */
export const downloadableRealEsrgan = [
  ['R-ESRGAN General 4xV3', 'v0.2.5.0/realesr-general-x4v3.pth', 4],
  ['R-ESRGAN General WDN 4xV3', 'v0.2.5.0/realesr-general-wdn-x4v3.pth', 4],
  ['R-ESRGAN AnimeVideo', 'v0.2.5.0/realesr-animevideov3.pth', 4],
  ['R-ESRGAN 4x+', 'v0.1.0/RealESRGAN_x4plus.pth', 4],
  ['R-ESRGAN 4x+ Anime6B', 'v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth', 4],
  ['R-ESRGAN 2x+', 'v0.2.1/RealESRGAN_x2plus.pth', 2],
].map(([name, path, scale]) => ({ name, path: `${realEsrgan}/${path}`, scale }))
