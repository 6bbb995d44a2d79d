/** Element types whose values this program can read, under the names safetensors gives them. */
export type DType =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'F8_E4M3'
  | 'F8_E5M2'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U8'
  | 'BOOL'

const bytes: Readonly<Record<DType, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
}

/** Size in bytes of one element. */
export function bytesPer(dtype: DType): number {
  return bytes[dtype]
}

/** Whether a name found in a file is a type whose values can be read. */
export function isDType(name: string): name is DType {
  return Object.hasOwn(bytes, name)
}
