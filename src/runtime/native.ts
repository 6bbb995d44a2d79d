import type * as Ort from 'onnxruntime-node'

/** The native library, loaded on first use. */
export async function native(): Promise<typeof Ort> {
  // Read by the library while it loads; without it, it opens a store in the user's cache folder and an uploader.
  process.env['ORT_DISABLE_TELEMETRY'] = '1'
  return import('onnxruntime-node')
}
