const names = {
  month: [
    'January',
    'February',
    'March',
    'April',
    'May',
    'June',
    'July',
    'August',
    'September',
    'October',
    'November',
    'December',
  ],
  weekday: ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'],
} as const

interface Clock {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly micro: number
  readonly weekday: number
}

const digits = (value: number, size: number) => String(value).padStart(size, '0')
const dayMs = 86_400_000

function dayOfYear({ year, month, day }: Clock): number {
  return (Date.UTC(year, month - 1, day) - Date.UTC(year, 0, 1)) / dayMs + 1
}

/** The directives of C's strftime in the C locale. */
const directives: Readonly<Record<string, (at: Clock) => string>> = {
  Y: (at) => digits(at.year, 4),
  y: (at) => digits(at.year % 100, 2),
  m: (at) => digits(at.month, 2),
  d: (at) => digits(at.day, 2),
  H: (at) => digits(at.hour, 2),
  I: (at) => digits(at.hour % 12 === 0 ? 12 : at.hour % 12, 2),
  M: (at) => digits(at.minute, 2),
  S: (at) => digits(at.second, 2),
  f: (at) => digits(at.micro, 6),
  p: (at) => (at.hour < 12 ? 'AM' : 'PM'),
  j: (at) => digits(dayOfYear(at), 3),
  B: (at) => names.month[at.month - 1]!,
  b: (at) => names.month[at.month - 1]!.slice(0, 3),
  A: (at) => names.weekday[at.weekday]!,
  a: (at) => names.weekday[at.weekday]!.slice(0, 3),
  w: (at) => String(at.weekday),
  '%': () => '%',
}

/** A time in the zone of this machine, or in a named one; an unknown name counts as none. */
function clockIn(time: Date, timeZone: string | undefined): Clock {
  const zoned = timeZone === undefined ? undefined : partsIn(time, timeZone)
  const micro = time.getMilliseconds() * 1000
  if (zoned !== undefined)
    return { ...zoned, micro, weekday: new Date(Date.UTC(zoned.year, zoned.month - 1, zoned.day)).getUTCDay() }
  return {
    year: time.getFullYear(),
    month: time.getMonth() + 1,
    day: time.getDate(),
    hour: time.getHours(),
    minute: time.getMinutes(),
    second: time.getSeconds(),
    micro,
    weekday: time.getDay(),
  }
}

function partsIn(time: Date, timeZone: string) {
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    const part = new Map(format.formatToParts(time).map(({ type, value }) => [type, Number(value)]))
    return {
      year: part.get('year')!,
      month: part.get('month')!,
      day: part.get('day')!,
      hour: part.get('hour')!,
      minute: part.get('minute')!,
      second: part.get('second')!,
    }
  } catch {
    return undefined
  }
}

/** A time as text by a strftime format (`%Y-%m-%d`), in a named time zone or this machine's. Unknown directives stay. */
export function strftime(time: Date, format: string, timeZone?: string): string {
  const at = clockIn(time, timeZone)
  return format.replace(/%([A-Za-z%])/g, (whole, letter: string) => directives[letter]?.(at) ?? whole)
}
