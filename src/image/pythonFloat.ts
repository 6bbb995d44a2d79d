/**
 * A float as Python prints it, which is how infotexts and file names of the reference spell numbers: `7.0`, `0.5`,
 * `1e-05`, `1e+16`. The digits are the shortest that read back as the same number, in both languages.
 */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  if (Object.is(value, -0)) return '-0.0'
  const [digits, exponentText] = value.toExponential().split('e') as [string, string]
  const exponent = Number(exponentText)
  if (value === 0 || (exponent >= -4 && exponent < 16)) {
    const text = String(value)
    return text.includes('.') ? text : `${text}.0`
  }
  const size = String(Math.abs(exponent)).padStart(2, '0')
  return `${digits}e${exponent < 0 ? '-' : '+'}${size}`
}
