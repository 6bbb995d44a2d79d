import { type Logger, pino } from 'pino'

export type LogFormat = 'text' | 'json'

/** The server's log, on standard error: a line of JSON for each record, or words where a person watches. */
export function createLogger(level: string, format: LogFormat): Logger {
  const options = { level, base: null, redact: ['req.headers.authorization', 'req.headers.cookie'] }
  if (format === 'json') return pino(options, pino.destination({ dest: 2, sync: false }))
  return pino(options, { write: (line: string) => process.stderr.write(inWords(line)) })
}

const levels: Readonly<Record<number, string>> = { 40: 'warning: ', 50: 'error: ', 60: 'error: ' }

/** A record as a line for people: when, how bad, what, and the first line of an error. */
function inWords(line: string): string {
  const { time, level, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>
  const clock = new Date(Number(time)).toTimeString().slice(0, 8)
  const details = Object.entries(rest).map(([key, value]) => ` ${key}=${String(value)}`)
  const stack = typeof err === 'object' && err !== null && 'stack' in err ? `\n${String(err.stack)}` : ''
  return `${clock} ${levels[Number(level)] ?? ''}${String(msg ?? '')}${details.join('')}${stack}\n`
}
