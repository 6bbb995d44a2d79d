import { expect, test } from 'vitest'
import {
  bool,
  dict,
  FieldRefusal,
  float,
  given,
  int,
  limited,
  list,
  literal,
  mandatory,
  optional,
  readFields,
  record,
  str,
} from './fieldTypes.ts'

function refusalOf(read: () => unknown) {
  try {
    read()
  } catch (error) {
    if (error instanceof FieldRefusal) return error.errors
    throw error
  }
  throw new Error('nothing was refused')
}

// What pydantic 1 makes of these.
test.each([
  [int, '7', 7],
  [int, 7.9, 7],
  [int, true, 1],
  [float, '1e2', 100],
  [float, 3, 3],
  [bool, 'Yes', true],
  [bool, 0, false],
  [str, 5, '5'],
  [list(int), ['1', 2], [1, 2]],
  [dict, { a: 1 }, { a: 1 }],
  [literal(0, 1), 1, 1],
] as const)('%# a value becomes what clients mean by it', (type, value, read) => {
  expect(readFields([mandatory('x', type)], { x: value })).toEqual({ x: read })
})

test.each([
  [int, '7.5', 'value is not a valid integer', 'type_error.integer'],
  [int, Number.NaN, 'value is not a valid integer', 'type_error.integer'],
  [float, 'x', 'value is not a valid float', 'type_error.float'],
  [bool, 2, 'value could not be parsed to a boolean', 'type_error.bool'],
  [str, {}, 'str type expected', 'type_error.str'],
  [dict, [], 'value is not a valid dict', 'type_error.dict'],
  [list(), 'x', 'value is not a valid list', 'type_error.list'],
  [limited(float, { ge: 0, le: 1 }), 2, 'ensure this value is less than or equal to 1', 'value_error.number.not_le'],
  [limited(float, { gt: 0 }), 0, 'ensure this value is greater than 0', 'value_error.number.not_gt'],
  [literal(0, 1), 2, 'unexpected value; permitted: 0, 1', 'value_error.const'],
] as const)('%# a value is refused in FastAPI’s words', (type, value, msg, code) => {
  const [error] = refusalOf(() => readFields([mandatory('x', type)], { x: value }))
  expect(error).toMatchObject({ loc: ['body', 'x'], msg, type: code })
})

test('everything that is wrong is told at once, and where', () => {
  const fields = [mandatory('a', int), given('b', str, ''), mandatory('c', list(record([mandatory('d', str)])))]
  expect(refusalOf(() => readFields(fields, { b: null, c: [{ d: 'x' }, {}] }))).toEqual([
    { loc: ['body', 'a'], msg: 'field required', type: 'value_error.missing' },
    { loc: ['body', 'b'], msg: 'none is not an allowed value', type: 'type_error.none.not_allowed' },
    { loc: ['body', 'c', 1, 'd'], msg: 'field required', type: 'value_error.missing' },
  ])
})

test('what is missing has its default, what may be null is null, what is unknown is gone', () => {
  expect(readFields([optional('a', int, 3), optional('b', int, 3)], { b: null, z: 1 })).toEqual({ a: 3, b: null })
})

test('a missing body is a missing field, and another kind of body no dictionary', () => {
  expect(refusalOf(() => readFields([], undefined))[0]).toMatchObject({ loc: ['body'], msg: 'field required' })
  expect(refusalOf(() => readFields([], 'x'))[0]).toMatchObject({ loc: ['body'], type: 'type_error.dict' })
})

test('a body may hold what every object has, and nothing is taken from there', () => {
  expect(readFields([optional('constructor', str, 'own')], {})).toEqual({ constructor: 'own' })
})
