/**
 * Types of fields as pydantic 1 reads and refuses them: clients of the reference have come to rely on "7" being 7, and
 * on the words of its errors.
 */

/** One thing that is wrong with a request, as FastAPI tells it. */
export interface FieldError {
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly type: string
  readonly ctx?: Readonly<Record<string, unknown>>
}

/** A type of field: what a value becomes, or what is wrong with it; `null` goes through where it is allowed. */
export interface FieldType {
  readonly schema: Readonly<Record<string, unknown>>
  readonly read: (value: unknown, loc: FieldError['loc']) => unknown
}

/** Fields that cannot be read, as FastAPI refuses them with status 422. */
export class FieldRefusal extends Error {
  readonly errors: readonly FieldError[]

  constructor(errors: readonly FieldError[]) {
    super(errors.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; '))
    this.errors = errors
  }
}

function refuse(loc: FieldError['loc'], msg: string, type: string, ctx?: FieldError['ctx']): never {
  throw new FieldRefusal([{ loc, msg, type, ...(ctx && { ctx }) }])
}

const notInteger = (loc: FieldError['loc']) => refuse(loc, 'value is not a valid integer', 'type_error.integer')
const notFloat = (loc: FieldError['loc']) => refuse(loc, 'value is not a valid float', 'type_error.float')

export const str: FieldType = {
  schema: { type: 'string' },
  read: (value, loc) => {
    if (typeof value === 'string') return value
    if (typeof value === 'number') return String(value)
    return refuse(loc, 'str type expected', 'type_error.str')
  },
}

export const int: FieldType = {
  schema: { type: 'integer' },
  read: (value, loc) => {
    if (typeof value === 'boolean') return value ? 1 : 0
    if (typeof value === 'string' && /^\s*[+-]?\d+(_\d+)*\s*$/.test(value)) return Number(value.replaceAll('_', ''))
    if (typeof value !== 'number' || !Number.isFinite(value)) return notInteger(loc)
    return Math.trunc(value)
  },
}

export const float: FieldType = {
  schema: { type: 'number' },
  read: (value, loc) => {
    if (typeof value === 'boolean') return value ? 1 : 0
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    return typeof number === 'number' && !Number.isNaN(number) ? number : notFloat(loc)
  },
}

const truths = new Map<unknown, boolean>([
  ...['1', 'on', 't', 'true', 'y', 'yes', 1, true].map((word): [unknown, boolean] => [word, true]),
  ...['0', 'off', 'f', 'false', 'n', 'no', 0, false].map((word): [unknown, boolean] => [word, false]),
])

export const bool: FieldType = {
  schema: { type: 'boolean' },
  read: (value, loc) =>
    truths.get(typeof value === 'string' ? value.toLowerCase() : value) ??
    refuse(loc, 'value could not be parsed to a boolean', 'type_error.bool'),
}

export const dict: FieldType = {
  schema: { type: 'object', additionalProperties: true },
  read: (value, loc) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? value
      : refuse(loc, 'value is not a valid dict', 'type_error.dict'),
}

const anything: FieldType = { schema: {}, read: (value) => value }

export function list(item: FieldType = anything): FieldType {
  return {
    schema: { type: 'array', items: item.schema },
    read: (value, loc) => {
      if (!Array.isArray(value)) return refuse(loc, 'value is not a valid list', 'type_error.list')
      return gather(value.map((each, i) => () => item.read(each, [...loc, i])))
    },
  }
}

/** A number with limits. */
export function limited(type: FieldType, { ge, gt, le }: { ge?: number; gt?: number; le?: number }): FieldType {
  const limits = {
    ...(ge !== undefined && { minimum: ge }),
    ...(gt !== undefined && { exclusiveMinimum: gt }),
    ...(le !== undefined && { maximum: le }),
  }
  return {
    schema: { ...type.schema, ...limits },
    read: (value, loc) => {
      const number = type.read(value, loc) as number
      const outside = (words: string, code: string, limit: number) =>
        refuse(loc, `ensure this value is ${words} ${limit}`, `value_error.number.${code}`, { limit_value: limit })
      if (ge !== undefined && number < ge) return outside('greater than or equal to', 'not_ge', ge)
      if (gt !== undefined && number <= gt) return outside('greater than', 'not_gt', gt)
      if (le !== undefined && number > le) return outside('less than or equal to', 'not_le', le)
      return number
    },
  }
}

/** One of a few values. */
export function literal(...permitted: readonly (string | number)[]): FieldType {
  return {
    schema: { enum: permitted },
    read: (value, loc) =>
      permitted.find((each) => each === value) ??
      refuse(loc, `unexpected value; permitted: ${permitted.map(quoted).join(', ')}`, 'value_error.const', {
        given: value,
        permitted,
      }),
  }
}

function quoted(value: string | number): string {
  return typeof value === 'string' ? `'${value}'` : String(value)
}

/** An object of fields. */
export function record(fields: readonly Field[]): FieldType {
  return { schema: schemaOf(fields), read: (value, loc) => readRecord(fields, value, loc) }
}

/** A field of a request: its name, its type, and what it is where it is not given. */
export interface Field {
  readonly name: string
  readonly type: FieldType
  /** What it is where it is missing; `required` where it may not be. */
  readonly initial: unknown
  /** Null may be given. */
  readonly isNullable: boolean
}

const required = Symbol('required')

/** A field that may also be null. */
export function optional(name: string, type: FieldType, initial: unknown = null): Field {
  return { name, type, initial, isNullable: true }
}

/** A field that has a value of its own where it is missing, and may not be null. */
export function given(name: string, type: FieldType, initial: unknown): Field {
  return { name, type, initial, isNullable: false }
}

export function mandatory(name: string, type: FieldType): Field {
  return { name, type, initial: required, isNullable: false }
}

/**
 * The fields of a body with their defaults, in order; unknown ones are ignored. Throws a `FieldRefusal` that tells
 * everything that is wrong with it.
 */
export function readFields(fields: readonly Field[], body: unknown): Record<string, unknown> {
  return readRecord(fields, body, ['body'])
}

function readRecord(fields: readonly Field[], body: unknown, loc: FieldError['loc']): Record<string, unknown> {
  if (body === undefined || body === null) return refuse(loc, 'field required', 'value_error.missing')
  const own = dict.read(body, loc) as Record<string, unknown>
  const values = gather(fields.map((field) => () => readField(field, own, [...loc, field.name])))
  return Object.fromEntries(fields.map(({ name }, i) => [name, values[i]]))
}

function readField({ name, type, initial, isNullable }: Field, body: Record<string, unknown>, loc: FieldError['loc']) {
  const value = Object.hasOwn(body, name) ? body[name] : undefined
  if (value === undefined) {
    return initial === required ? refuse(loc, 'field required', 'value_error.missing') : initial
  }
  if (value !== null) return type.read(value, loc)
  return isNullable ? null : refuse(loc, 'none is not an allowed value', 'type_error.none.not_allowed')
}

/** The values of all readings, or the refusals of all that refuse. */
function gather(readings: readonly (() => unknown)[]): unknown[] {
  const errors: FieldError[] = []
  const values = readings.map((read) => {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof FieldRefusal)) throw error
      errors.push(...error.errors)
      return undefined
    }
  })
  if (errors.length > 0) throw new FieldRefusal(errors)
  return values
}

/** The JSON schema of a body, for the documentation. */
export function schemaOf(fields: readonly Field[]): Record<string, unknown> {
  const properties = fields.map(({ name, type, initial, isNullable }) => {
    const schema = isNullable ? { anyOf: [type.schema, { type: 'null' }] } : type.schema
    return [name, initial === required ? schema : { ...schema, default: initial }] as const
  })
  const needed = fields.filter(({ initial }) => initial === required).map(({ name }) => name)
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    ...(needed.length > 0 && { required: needed }),
  }
}
