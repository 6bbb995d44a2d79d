import { expect, test } from 'vitest'
import { floatLiterals } from './floatLiterals.ts'

test('whole numbers written as floats are found by their paths', () => {
  const json = `{"steps": 20, "cfg_scale": 7.0, "eta": 0.5, "prompt": "a 3.0, {\\"b\\": 4.0}",
    "override_settings": {"rho": 3.0, "sigma_max": 10, "eta_ddim": 1e0, "list": [1.0, 2, {"x": -4.0}]}, "last": 5.00}`
  expect([...floatLiterals(json)]).toEqual([
    'cfg_scale',
    'override_settings.rho',
    'override_settings.eta_ddim',
    'override_settings.list.0',
    'override_settings.list.2.x',
    'last',
  ])
})

test('a text without objects has none', () => {
  expect([...floatLiterals('3.5')]).toEqual([])
  expect([...floatLiterals('"1.0"')]).toEqual([])
})
