import { bool, type Field, float, given, int, limited, list, literal, mandatory, record, str } from './fieldTypes.ts'

const share = limited(float, { ge: 0, le: 1 })

/** Fields of both extras requests. */
const extras: readonly Field[] = [
  given('resize_mode', literal(0, 1), 0),
  given('show_extras_results', bool, true),
  given('gfpgan_visibility', share, 0),
  given('codeformer_visibility', share, 0),
  given('codeformer_weight', share, 0),
  given('upscaling_resize', limited(float, { gt: 0 }), 2),
  given('upscaling_resize_w', limited(int, { ge: 1 }), 512),
  given('upscaling_resize_h', limited(int, { ge: 1 }), 512),
  given('upscaling_crop', bool, true),
  given('upscaler_1', str, 'None'),
  given('upscaler_2', str, 'None'),
  given('extras_upscaler_2_visibility', share, 0),
  given('upscale_first', bool, false),
]

export const extraSingleFields: readonly Field[] = [...extras, given('image', str, '')]
export const extraBatchFields: readonly Field[] = [
  ...extras,
  mandatory('imageList', list(record([mandatory('data', str), mandatory('name', str)]))),
]
export const pngInfoFields: readonly Field[] = [mandatory('image', str)]
export const interrogateFields: readonly Field[] = [given('image', str, ''), given('model', str, 'clip')]
