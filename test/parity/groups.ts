/** Which test file replays which recorded groups; each takes about as long as the others. */
export const groupsOf = {
  samplers: ['sampler', 'steps', 'scheduler'],
  settings: [
    'sigma',
    'eta',
    'ensd',
    'churn',
    'guidance',
    'unipc',
    'seed',
    'variation',
    'batch',
    'clipskip',
    'compat',
    'sd2v',
  ],
  prompts: ['prompt', 'lora', 'embedding', 'size', 'tiling'],
  pictures: ['hires', 'img2img', 'inpaint'],
} as const

/** Groups whose requests name a script. */
export const scriptGroups = ['xyz', 'script'] as const
