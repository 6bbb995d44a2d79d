import type { Shape } from './dim.ts'

/** Element types of ONNX that graphs use, under ONNX's names. */
export type ElementType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'float8e4m3fn'
  | 'float8e5m2'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint8'
  | 'bool'

/** What is known of a value before anything runs. */
export interface ValueType {
  readonly type: ElementType
  readonly shape: Shape
}
