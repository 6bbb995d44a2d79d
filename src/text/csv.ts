/**
 * The rows of comma-separated values (RFC 4180): fields in double quotes may hold commas, line ends and doubled
 * quotes. Quotes elsewhere are text, an unclosed one reaches to the end, empty lines are no rows.
 */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  const field = /(?:"([^"]*(?:""[^"]*)*)(?:"|$))?([^,\r\n]*)(,|\r\n|\r|\n|$)/y
  const source = text.replace(/^\ufeff/, '')
  while (field.lastIndex < source.length) {
    const [whole, quoted, plain = '', end] = field.exec(source)!
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"') + plain)
    if (end === ',') {
      // A comma at the very end has an empty field behind it.
      if (field.lastIndex < source.length) continue
      row.push('')
    }
    if (row.length > 1 || whole !== end) rows.push(row)
    row = []
  }
  return rows
}

/** Rows as comma-separated values with `\r\n` after each; fields are quoted where they need it. */
export function formatCsv(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => `${row.map(formatField).join(',')}\r\n`).join('')
}

function formatField(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field
}
