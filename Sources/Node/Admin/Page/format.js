// Numbers, times and sizes as people read them.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const fine = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })

/** A count: 1,204. */
export function count(n) {
  return n == null ? '–' : whole.format(n)
}

/** A count of things in words: `1 session`, `1,204 sessions`. */
export function things(n, one, many = one + 's') {
  return `${count(n)} ${n === 1 ? one : many}`
}

/** A number in few characters: 1.2K, for axes. */
export function brief(n) {
  return n == null ? '–' : short.format(n)
}

/** Something per second: 3.5, 1,204. */
export function rate(n) {
  return n == null ? '–' : n < 100 ? fine.format(n) : whole.format(n)
}

/** Bytes: 512 B, 1.5 kB, 3.2 MB; steps of 1000, as the metrics have them. */
export function bytes(n) {
  if (n == null) return '–'
  let unit = 0
  while (n >= 999.5 && unit < 4) { n /= 1000; unit += 1 }
  return `${unit === 0 || n >= 99.95 ? whole.format(n) : fine.format(n)} ${['B', 'kB', 'MB', 'GB', 'TB'][unit]}`
}

/** Microseconds: 86 µs, 1.2 ms, 3.4 s. */
export function micros(n) {
  if (n == null) return '–'
  if (n < 999.5) return `${whole.format(n)} µs`
  return n < 999_500 ? `${fine.format(n / 1000)} ms` : `${fine.format(n / 1_000_000)} s`
}

/** A length of time in its two largest units: 3 d 4 h, 12 s. */
export function duration(seconds) {
  if (seconds == null) return '–'
  let rest = Math.max(0, Math.round(seconds))
  const parts = []
  for (const [unit, size] of [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]]) {
    const n = Math.floor(rest / size)
    rest -= n * size
    if (n > 0 || (unit === 's' && parts.length === 0)) parts.push(`${n} ${unit}`)
  }
  return parts.slice(0, 2).join(' ')
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })

/** A time of day: 14:03:07. */
export function time(ms) {
  return ms == null ? '–' : clock.format(ms)
}

/** A time, with its day unless that is today. */
export function moment(ms) {
  if (ms == null) return '–'
  return new Date(ms).toDateString() === new Date().toDateString() ? clock.format(ms) : `${day.format(ms)}, ${clock.format(ms)}`
}

/** The end of a long id: what is in front of it is the same for all of a node. The whole is to be its title. */
export function shortened(id) {
  return id.length > 14 ? '…' + id.slice(-10) : id
}
