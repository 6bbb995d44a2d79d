import { type Emit, float32Emit } from '../nn/emit.ts'

/** How graphs with gradients are written: the way back needs the scores of attention anyway. */
export const trainingEmit: Emit = { ...float32Emit, attention: 'primitive' }
