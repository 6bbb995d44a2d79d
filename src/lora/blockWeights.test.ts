import { describe, expect, test } from 'vitest'
import { blockOf, parseBlockWeights } from './blockWeights.ts'

describe('block weights', () => {
  test('of 17 numbers speak of the blocks with transformers', () => {
    const weights = parseBlockWeights('1, 0.1,0.2,0.4,0.5,0.7,0.8, -1, 3,4,5,6,7,8,9,10,11')
    expect([...weights.keys()].join(' ')).toBe(
      'BASE IN01 IN02 IN04 IN05 IN07 IN08 M00 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11',
    )
    expect([weights.get('IN05'), weights.get('M00'), weights.get('OUT11')]).toEqual([0.5, -1, 11])
    expect(weights.has('IN03')).toBe(false)
  })

  test('of 26 numbers speak of every block', () => {
    const weights = parseBlockWeights(Array.from({ length: 26 }, (_, i) => i).join(','))
    expect([weights.get('BASE'), weights.get('IN00'), weights.get('IN11')]).toEqual([0, 1, 12])
    expect([weights.get('M00'), weights.get('OUT00'), weights.get('OUT11')]).toEqual([13, 14, 25])
  })

  test('of 12 and 20 numbers speak of the blocks of SDXL', () => {
    expect([...parseBlockWeights('1,1,1,1,1,1,1,1,1,1,1,1').keys()].join(' ')).toBe(
      'BASE IN04 IN05 IN07 IN08 M00 OUT00 OUT01 OUT02 OUT03 OUT04 OUT05',
    )
    expect(parseBlockWeights(Array(20).fill('1').join(',')).size).toBe(20)
  })

  test('have the names the community gave them', () => {
    const on = (name: string) =>
      [...parseBlockWeights(name)].filter(([, weight]) => weight === 1).map(([block]) => block)
    expect(on('ALL')).toHaveLength(17)
    expect(on('NONE')).toEqual([])
    expect(on('INS')).toEqual(['BASE', 'IN01', 'IN02', 'IN04'])
    expect(on('IND')).toEqual(['BASE', 'IN05', 'IN07', 'IN08'])
    expect(on('INALL')).toEqual(['BASE', 'IN01', 'IN02', 'IN04', 'IN05', 'IN07', 'IN08'])
    expect(on('MIDD')).toEqual(['BASE', 'IN05', 'IN07', 'IN08', 'M00', 'OUT03', 'OUT04', 'OUT05', 'OUT06'])
    expect(on('OUTD')).toEqual(['BASE', 'OUT03', 'OUT04', 'OUT05', 'OUT06'])
    expect(on('OUTS')).toEqual(['BASE', 'OUT07', 'OUT08', 'OUT09', 'OUT10', 'OUT11'])
    expect(on('OUTALL')).toHaveLength(10)
    expect([...parseBlockWeights('ALL0.5').values()]).toEqual(Array(17).fill(0.5))
  })

  test.each(['FOO', '', '1,2,3', '1,x,1,1,1,1,1,1,1,1,1,1', '1,,1,1,1,1,1,1,1,1,1,1', 'constructor'])(
    'refuse %j',
    (text) => {
      expect(() => parseBlockWeights(text)).toThrow(expect.objectContaining({ code: 'bad-request', field: 'lbw' }))
    },
  )

  test('find the block of every layer', () => {
    const unet = 'model.diffusion_model.'
    expect(blockOf(`${unet}input_blocks.0.0`)).toBe('IN00')
    expect(blockOf(`${unet}input_blocks.11.0.in_layers.2`)).toBe('IN11')
    expect(blockOf(`${unet}middle_block.1.proj_in`)).toBe('M00')
    expect(blockOf(`${unet}output_blocks.3.1.transformer_blocks.0.ff.net.2`)).toBe('OUT03')
    expect(blockOf(`${unet}out.2`)).toBe('OUT11')
    expect(blockOf(`${unet}time_embed.0`)).toBe('BASE')
    expect(blockOf('cond_stage_model.transformer.text_model.encoder.layers.3.mlp.fc1')).toBe('BASE')
  })
})
