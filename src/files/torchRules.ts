import {
  isKind,
  PickleError,
  type PickleRules,
  type PyCompound,
  type PyGlobal,
  type PyStorage,
  type PyTensor,
  type PyValue,
} from './pyValues.ts'

/** PyTorch's storage classes and the element types they hold. `UntypedStorage` counts bytes. */
const storageTypes: ReadonlyMap<string, string> = new Map([
  ['torch.DoubleStorage', 'F64'],
  ['torch.FloatStorage', 'F32'],
  ['torch.HalfStorage', 'F16'],
  ['torch.BFloat16Storage', 'BF16'],
  ['torch.LongStorage', 'I64'],
  ['torch.IntStorage', 'I32'],
  ['torch.ShortStorage', 'I16'],
  ['torch.CharStorage', 'I8'],
  ['torch.ByteStorage', 'U8'],
  ['torch.BoolStorage', 'BOOL'],
  ['torch.ComplexFloatStorage', 'C64'],
  ['torch.ComplexDoubleStorage', 'C128'],
  ['torch.storage.UntypedStorage', 'U8'],
  ['torch.UntypedStorage', 'U8'],
])

/** PyTorch's element types by name, for tensors that say their type themselves. */
const elementTypes: ReadonlyMap<string, string> = new Map([
  ['torch.float64', 'F64'],
  ['torch.float32', 'F32'],
  ['torch.float16', 'F16'],
  ['torch.bfloat16', 'BF16'],
  ['torch.float8_e4m3fn', 'F8_E4M3'],
  ['torch.float8_e5m2', 'F8_E5M2'],
  ['torch.float8_e4m3fnuz', 'F8_E4M3FNUZ'],
  ['torch.float8_e5m2fnuz', 'F8_E5M2FNUZ'],
  ['torch.float8_e8m0fnu', 'F8_E8M0'],
  ['torch.int64', 'I64'],
  ['torch.int32', 'I32'],
  ['torch.int16', 'I16'],
  ['torch.int8', 'I8'],
  ['torch.uint8', 'U8'],
  ['torch.uint16', 'U16'],
  ['torch.uint32', 'U32'],
  ['torch.uint64', 'U64'],
  ['torch.bool', 'BOOL'],
  ['torch.complex64', 'C64'],
  ['torch.complex128', 'C128'],
])

/** Classes that training tools leave in checkpoints. They become records of no behaviour, which no one asks anything. */
const inertTypes: ReadonlySet<string> = new Set([
  'argparse.Namespace',
  'collections.Counter',
  'collections.defaultdict',
  'numpy.dtype',
  'numpy.ndarray',
  'numpy.core.multiarray.scalar',
  'numpy.core.multiarray._reconstruct',
  'numpy._core.multiarray.scalar',
  'numpy._core.multiarray._reconstruct',
  '_codecs.encode',
  'omegaconf.base.ContainerMetadata',
  'omegaconf.base.Metadata',
  'omegaconf.dictconfig.DictConfig',
  'omegaconf.listconfig.ListConfig',
  'omegaconf.nodes.AnyNode',
  'pytorch_lightning.callbacks.early_stopping.EarlyStopping',
  'pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint',
  'pytorch_lightning.callbacks.ModelCheckpoint',
  'lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint',
  'pytorch_lightning.utilities.parsing.AttributeDict',
  'torch.device',
  'torch.nn.modules.container.ParameterDict',
  'typing.Any',
])

/** Functions and classes that make data. Each is imitated, none is called. `spend` is told of every item copied. */
const constructors: Readonly<Record<string, (args: readonly PyValue[], spend: Spend) => PyCompound>> = {
  'collections.OrderedDict': orderedDict,
  'builtins.dict': orderedDict,
  '__builtin__.dict': orderedDict,
  'builtins.set': copiedList,
  '__builtin__.set': copiedList,
  'builtins.list': copiedList,
  '__builtin__.list': copiedList,
  'torch.Size': ([items]) => ({ kind: 'tuple', items: sequence(items) }),
  'torch._utils._rebuild_tensor': ([storage, offset, shape, strides]) => view(storage, offset, shape, strides),
  'torch._utils._rebuild_tensor_v2': ([storage, offset, shape, strides]) => view(storage, offset, shape, strides),
  'torch._utils._rebuild_tensor_v3': ([storage, offset, shape, strides, , , type]) =>
    view(storage, offset, shape, strides, elementType(type)),
  'torch._utils._rebuild_parameter': ([data]) => parameter(data),
  'torch._utils._rebuild_parameter_with_state': ([data]) => parameter(data),
}

/** PyTorch's own limit on dimensions. */
const maxRank = 64

type Spend = (items: number) => void

/**
 * Items that may be copied while one pickle is read. Copies are the only work that is not bounded by the pickle's
 * length, since a short program can ask for the same long list again and again.
 */
const copyLimit = 10_000_000

/** The names a file of weights may mention, and what they come to: tensors as references, the rest as plain data. */
export function torchRules(): PickleRules {
  let copied = 0
  const spend = (items: number) => {
    copied += items
    if (copied > copyLimit) throw new PickleError('it copies lists without end')
  }
  return { global: listedName, call: (callee, args) => construct(callee, args, spend), build, persistent: storage }
}

function listedName(name: string): PyGlobal {
  const known = [storageTypes, elementTypes, inertTypes].some((names) => names.has(name))
  if (!known && !Object.hasOwn(constructors, name)) {
    throw new PickleError(`the name ${JSON.stringify(name.slice(0, 200))} is not on the list of harmless ones`)
  }
  return { kind: 'global', name }
}

function construct({ name }: PyGlobal, args: readonly PyValue[], spend: Spend): PyCompound {
  if (inertTypes.has(name)) return { kind: 'object', type: name, state: null }
  if (!Object.hasOwn(constructors, name)) throw new PickleError(`${name} is not something to call`)
  return constructors[name]!(args, spend)
}

/** A dictionary's state holds attributes beside its items, such as the version numbers of a state_dict: not needed. */
function build(target: PyValue, state: PyValue): void {
  if (isKind(target, 'object')) target.state = state
  else if (!isKind(target, 'dict')) throw new PickleError('only dictionaries and records may be given a state')
}

/** `('storage', class, key, device, elements)`, in legacy files with `(view key, first element, elements)` after it. */
function storage(id: PyValue): PyStorage {
  if (!isKind(id, 'tuple')) throw new PickleError('a persistent id that is not a tuple')
  const [tag, type, key, , elements, view] = id.items
  const dtype = isKind(type, 'global') ? storageTypes.get(type.name) : undefined
  if (tag !== 'storage' || dtype === undefined || typeof key !== 'string') {
    throw new PickleError('a persistent id that is not a storage')
  }
  const offset = isKind(view, 'tuple') ? count(view.items[1]) : 0
  return { kind: 'storage', key, dtype, elements: count(elements), offset }
}

function orderedDict([argument]: readonly PyValue[], spend: Spend): PyCompound {
  const items = new Map<PyValue, PyValue>()
  const pairs = argument === undefined ? [] : sequence(argument)
  spend(pairs.length)
  for (const pair of pairs) {
    const [key, value, ...more] = sequence(pair)
    if (key === undefined || value === undefined || more.length) throw new PickleError('an item that is not a pair')
    items.set(key, value)
  }
  return { kind: 'dict', items }
}

function copiedList([argument]: readonly PyValue[], spend: Spend): PyCompound {
  const items = argument === undefined ? [] : sequence(argument)
  spend(items.length)
  return { kind: 'list', items: [...items] }
}

function view(
  storage: PyValue | undefined,
  offset: PyValue | undefined,
  shape: PyValue | undefined,
  strides: PyValue | undefined,
  type?: string,
): PyTensor {
  if (!isKind(storage, 'storage')) throw new PickleError('a tensor without a storage')
  const dims = sequence(shape)
  const steps = sequence(strides)
  if (dims.length !== steps.length || dims.length > maxRank) throw new PickleError('shape and strides that do not fit')
  return {
    kind: 'tensor',
    storage,
    dtype: type ?? storage.dtype,
    offset: count(offset),
    shape: dims.map(count),
    strides: steps.map(count),
  }
}

function parameter(data: PyValue | undefined): PyTensor {
  if (!isKind(data, 'tensor')) throw new PickleError('a parameter that is not a tensor')
  return data
}

function elementType(type: PyValue | undefined): string {
  const name = isKind(type, 'global') ? elementTypes.get(type.name) : undefined
  if (name === undefined) throw new PickleError('an element type that is not one')
  return name
}

function sequence(value: PyValue | undefined): readonly PyValue[] {
  if (isKind(value, 'tuple') || isKind(value, 'list')) return value.items
  throw new PickleError('a list or tuple is expected')
}

function count(value: PyValue | undefined): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new PickleError('a count that is not a whole number')
}
