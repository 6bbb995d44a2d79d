import { expect, test } from 'vitest'
import { stepSchedule } from './stepSchedule.ts'

const at = (text: string, steps: number, done: readonly number[]) => {
  const { at, end } = stepSchedule(text, steps, 'learn_rate')
  return [end, ...done.map(at)]
}

test.each([
  // A rate alone lasts to the end.
  ['0.005', 1000, [0, 999], [1000, 0.005, 0.005]],
  // The first 100 steps by the first rate, the next 900 by the second, then the last one to the end.
  ['0.005:100, 1e-3:1000, 1e-5', 5000, [0, 99, 100, 999, 1000, 4999], [5000, 5e-3, 5e-3, 1e-3, 1e-3, 1e-5, 1e-5]],
  // −1 is the end as well.
  ['5e-3:100,1e-3:-1', 200, [99, 100, 199], [200, 5e-3, 1e-3, 1e-3]],
  // Whatever lies behind the last step is never reached.
  ['0.01:50, 0.001:500, 7', 300, [49, 50, 299], [300, 0.01, 0.001, 0.001]],
  ['0.01:-1, nonsense', 300, [299], [300, 0.01]],
  // A schedule that ends before the steps do ends the training.
  ['0.001:100, 0.00001:1000, 1e-5:10000', 100_000, [9999], [10_000, 1e-5]],
  [' .5 : 10 ,, 0 : 20 ', 20, [9, 10], [20, 0.5, 0]],
])('%s over %i steps', (text, steps, done, expected) => {
  expect(at(text, steps, done)).toEqual(expected)
})

test.each([
  ['', /found "", expected a number, or several/],
  ['fast', /found "fast"/],
  ['-0.1', /found "-0.1"/],
  ['nan', /found "nan"/],
  ['1e999', /found "1e999"/],
  ['0.1:x', /found "0.1:x"/],
  ['0.1:1.5', /found "0.1:1.5"/],
  ['0.1:10:20', /found "0.1:10:20"/],
  ['0.1:0', /found "0.1:0", expected a step after 0/],
  ['0.1:20, 0.2:20', /found "0.2:20", expected a step after 20/],
])('%j is refused with what is wrong', (text, message) => {
  expect(() => stepSchedule(text, 100, 'learn_rate')).toThrow(message)
})
