import { StudioError } from '../../errors.ts'
import { areaResize } from '../../image/areaResize.ts'
import { pasted, picture, type Rgb8 } from '../../image/picture.ts'
import { resample } from '../../image/resample.ts'
import { type ModelFile, openModelFile } from '../../runtime/openModelFile.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import type { Face, FindFaces } from './face.ts'

/** Each level of the detector looks at cells of so many pixels. */
const strides = [8, 16, 32] as const
/** Side that pictures are brought to where the model leaves it open. */
const usualSide = 640
const leastScore = 0.3
/** Boxes that share more of their union than this are one face. */
const sameFace = 0.3

/**
 * Faces by a YuNet model file (Wu et al. 2023; OpenCV's `FaceDetectorYN`): the picture fitted into the input, blue
 * first, 0 to 255; every cell answers with a score √(class · object) and a box around its corner.
 */
export async function openFaceDetector(path: string): Promise<FindFaces> {
  const model = await openModelFile(path, { threads: 1 })
  const [input] = model.inputs
  const missing = strides.flatMap((stride) => [`cls_${stride}`, `obj_${stride}`, `bbox_${stride}`])
  const absent = missing.find((name) => !model.outputs.some((output) => output.name === name))
  if (!input || absent !== undefined) {
    throw new StudioError(
      'wrong-architecture',
      `${path}: no YuNet face detector: it has no output ${absent ?? 'at all'}`,
    )
  }
  const sideAt = (axis: number) => (typeof input.shape[axis] === 'number' ? input.shape[axis] : usualSide)
  const size = { height: sideAt(2), width: sideAt(3) }
  return (source) => findFaces(model, input.name, size, source)
}

async function findFaces(
  model: ModelFile,
  input: string,
  { width, height }: { readonly width: number; readonly height: number },
  source: Rgb8,
): Promise<readonly Face[]> {
  const scale = Math.min(width / source.width, height / source.height)
  const [w, h] = [source.width, source.height].map((side) => Math.max(1, Math.round(side * scale))) as [number, number]
  const sized = scale < 1 ? areaResize(source, w, h) : resample(source, w, h, 'bilinear')
  const outputs = await model.run({ [input]: blueFirst(pasted(picture(3, width, height), sized, 0, 0)) })
  const faces = strides.flatMap((stride) => facesAt(outputs, stride, Math.floor(width / stride)))
  return withoutOverlaps(faces).map(({ left, top, right, bottom, score }) => ({
    left: Math.max(0, left / scale),
    top: Math.max(0, top / scale),
    right: Math.min(source.width, right / scale),
    bottom: Math.min(source.height, bottom / scale),
    score,
  }))
}

function facesAt(outputs: Readonly<Record<string, Tensor>>, stride: number, columns: number): Face[] {
  const [classes, objects, boxes] = ['cls', 'obj', 'bbox'].map((name) => outputs[`${name}_${stride}`]!.data)
  const unit = (value: number) => Math.min(Math.max(value, 0), 1)
  const faces: Face[] = []
  for (let i = 0; i < classes!.length; i++) {
    const score = Math.sqrt(unit(classes![i]!) * unit(objects![i]!))
    if (score < leastScore) continue
    const [dx, dy, logWidth, logHeight] = boxes!.subarray(i * 4, i * 4 + 4) as unknown as [
      number,
      number,
      number,
      number,
    ]
    const x = ((i % columns) + dx) * stride
    const y = (Math.floor(i / columns) + dy) * stride
    const [w, h] = [Math.exp(logWidth) * stride, Math.exp(logHeight) * stride]
    faces.push({ left: x - w / 2, top: y - h / 2, right: x + w / 2, bottom: y + h / 2, score })
  }
  return faces
}

/** Surest first, without those that a surer one covers. */
function withoutOverlaps(faces: readonly Face[]): Face[] {
  const kept: Face[] = []
  for (const face of [...faces].sort((a, b) => b.score - a.score)) {
    if (!kept.some((other) => sharedShare(face, other) > sameFace)) kept.push(face)
  }
  return kept
}

/** Area of the intersection over that of the union. */
function sharedShare(a: Face, b: Face): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left)
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
  if (width <= 0 || height <= 0) return 0
  const area = (face: Face) => (face.right - face.left) * (face.bottom - face.top)
  return (width * height) / (area(a) + area(b) - width * height)
}

/** [1, 3, H, W] with blue first, 0 to 255. */
function blueFirst({ width, height, data }: Rgb8): Tensor {
  const area = width * height
  const result = new Float32Array(3 * area)
  for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) result[(2 - c) * area + i] = data[i * 3 + c]!
  return { shape: [1, 3, height, width], data: result }
}
