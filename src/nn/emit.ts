/**
 * How a graph is to be written, as opposed to what it computes: models never ask, layers do. The defaults are the
 * fastest exact forms on ONNX Runtime's CPU kernels.
 */
export interface Emit {
  /** `fused` is ONNX Runtime's attention operator, which never stores the scores; `primitive` has gradients. */
  readonly attention: 'fused' | 'primitive'
  /** Whether x·σ(x) and its kin are one operator of ONNX Runtime or two of ONNX. */
  readonly activation: 'fused' | 'primitive'
  /** What lies beyond the edge of a picture. `circular` makes it tile. */
  readonly padding: 'zeros' | 'circular'
  /**
   * Half-precision weights enter as they are stored and are cast where they are used, so that they can stay mapped
   * from the file; or the runtime converts them while it loads.
   */
  readonly weights: 'stored' | 'float32'
}

/** The reference: every sum in float32, zeros beyond the edge, weights as stored. */
export const float32Emit: Emit = { attention: 'fused', activation: 'fused', padding: 'zeros', weights: 'stored' }
