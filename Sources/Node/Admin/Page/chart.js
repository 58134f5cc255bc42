// Lines of the last ten minutes, one row for each measure, all on one axis of time.
import { el, put, setText, svg } from './dom.js'
import { things, time } from './format.js'
import { span } from './watch.js'

/** Colours that differ; nodes beyond them share the last one. */
export const colours = 8

const height = 72

/**
 * Rows of measures with a common axis. `rows`: `{ name, label, format, axis, together }`; `together` makes one value of those
 * of all nodes: the sum, or the largest.
 */
export class Charts {
  constructor(rows, { lines = 'both' } = {}) {
    this.lines = lines
    this.rows = rows.map(row => this.makeRow(row))
    this.lane = svg('svg', { class: 'lane', role: 'img', height: 22 })
    this.laneHead = el('p', { class: 'metric-per' })
    this.axis = svg('svg', { class: 'axis', 'aria-hidden': 'true', height: 18 })
    this.said = el('output', { class: 'hidden', 'aria-live': 'polite' })
    this.element = el('div', {
      class: 'charts', tabindex: '0', role: 'group',
      'aria-label': 'The last ten minutes. Left and right arrow keys move through time, Escape ends it.',
      onpointermove: event => this.point(event), onpointerleave: () => this.at(null),
      onkeydown: event => this.key(event), onblur: () => this.at(null),
    }, this.rows.map(row => row.element),
    el('div', { class: 'metric lane-row' }, el('div', { class: 'metric-head' }, el('h3', {}, 'Events'), this.laneHead), this.lane),
    el('div', { class: 'metric axis-row' }, el('div', { class: 'metric-head' }), this.axis), this.said)
    this.resize = new ResizeObserver(() => this.draw())
    this.resize.observe(this.element)
    this.second = null
  }

  makeRow(row) {
    const now = el('p', { class: 'metric-now' })
    const when = el('p', { class: 'metric-per' })
    const drawing = svg('svg', { role: 'img', height, class: 'line' })
    return { ...row, now, when, drawing, element: el('div', { class: 'metric', 'data-metric': row.name },
      el('div', { class: 'metric-head' }, el('h3', {}, row.label), now, when), drawing) }
  }

  /** `series`: by node id, as the watch keeps them; `events`: newest first. */
  show(series, events) {
    this.series = [...series].sort((a, b) => a[1].name < b[1].name ? -1 : a[1].name > b[1].name ? 1 : a[0] < b[0] ? -1 : 1)
    this.events = events
    this.end = Math.floor(Date.now() / 1000)
    this.draw()
  }

  draw() {
    if (!this.series) return
    const width = Math.round(this.rows[0].drawing.getBoundingClientRect().width)
    if (width < 50) return
    this.width = width
    for (const row of this.rows) this.drawRow(row)
    this.drawEvents()
    this.drawAxis()
    this.at(this.second)
  }

  x(second) {
    return (second - (this.end - span)) / span * this.width
  }

  /** The values of a node in each second; a second without one has the last within 3 s, as beats may be late. */
  values(known, name) {
    const result = new Array(span + 1).fill(null)
    let last = null
    let since = 0
    for (let index = -3; index <= span; index += 1) {
      const value = known.seconds.get(this.end - span + index)?.[name]
      if (value != null) {
        last = value
        since = 0
      } else since += 1
      if (index >= 0) result[index] = since < 4 ? last : null
    }
    return result
  }

  drawRow(row) {
    const lines = this.series.map(([id, known]) => ({ id, name: known.name, values: this.values(known, row.name) }))
    const all = new Array(span + 1).fill(null)
    for (const line of lines) {
      line.values.forEach((value, index) => {
        if (value != null) all[index] = all[index] == null ? value : row.together(all[index], value)
      })
    }
    row.lines = lines
    row.all = all
    const isEach = this.lines !== 'sum' && lines.length > 1
    const isAll = this.lines !== 'nodes' || lines.length === 1
    let most = 0
    if (isAll) for (const value of all) if (value > most) most = value
    if (isEach) for (const line of lines) for (const value of line.values) if (value > most) most = value
    const top = ceiling(most)
    const y = value => 4 + (height - 8) * (1 - value / top)
    row.drawing.setAttribute('viewBox', `0 0 ${this.width} ${height}`)
    row.drawing.setAttribute('aria-label', `${row.label}: ${words(all, row.format)}`)
    put(row.drawing,
      [0, 0.5, 1].map(part => svg('line', { class: 'grid', x1: 0, x2: this.width, y1: y(top * part), y2: y(top * part) })),
      this.marks(0, height),
      isAll ? [svg('path', { class: 'area', d: area(all, index => this.x(this.end - span + index), y, y(0)) }),
        svg('path', { class: 'all', d: outline(all, index => this.x(this.end - span + index), y) })] : null,
      isEach ? lines.map((line, number) => svg('path', {
        class: `node series-${Math.min(number, colours - 1)}`, d: outline(line.values, index => this.x(this.end - span + index), y),
      })) : null,
      svg('text', { class: 'scale', x: 4, y: 13 }, row.axis(top)),
      row.hair = svg('line', { class: 'hair', y1: 0, y2: height, x1: -9, x2: -9 }))
  }

  /** Lines through all rows where something happened that is more than a notice. */
  marks(from, to) {
    return this.recent().filter(event => event.severity !== 'info').map(event => {
      const x = this.x(event.time / 1000)
      return svg('line', { class: `event-line ${event.severity}`, x1: x, x2: x, y1: from, y2: to })
    })
  }

  recent() {
    return this.events.filter(event => event.time / 1000 >= this.end - span && event.time / 1000 <= this.end + 5)
  }

  drawEvents() {
    const events = this.recent()
    setText(this.laneHead, events.length === 0 ? 'none' : things(events.length, 'event'))
    this.lane.setAttribute('viewBox', `0 0 ${this.width} 22`)
    this.lane.setAttribute('aria-label', `${things(events.length, 'event')} in the last ten minutes; the list below has them`)
    put(this.lane, svg('line', { class: 'grid', x1: 0, x2: this.width, y1: 11, y2: 11 }),
      events.map(event => {
        const x = Math.min(this.width - 6, Math.max(6, this.x(event.time / 1000)))
        const shape = { error: `M${x - 5} 6h10v10h-10z`, warning: `M${x} 5l6 11h-12z` }[event.severity]
          ?? `M${x} 6a5 5 0 1 0 .01 0z`
        return svg('path', { class: `event ${event.severity}`, d: shape }, svg('title', {}, `${time(event.time)} ${event.text}`))
      }))
  }

  drawAxis() {
    this.axis.setAttribute('viewBox', `0 0 ${this.width} 18`)
    // As many times as there is room for.
    const step = this.width < 420 ? 240 : 120
    const marks = []
    for (let second = Math.ceil((this.end - span) / step) * step; second <= this.end; second += step) {
      const x = this.x(second)
      const anchor = x < 24 ? 'start' : x > this.width - 24 ? 'end' : 'middle'
      marks.push(svg('text', { x, y: 13, 'text-anchor': anchor }, time(second * 1000).slice(0, 5)))
    }
    put(this.axis, marks)
  }

  point(event) {
    const box = this.rows[0].drawing.getBoundingClientRect()
    if (event.clientX < box.left || event.clientX > box.right) return this.at(null)
    this.at(Math.round(this.end - span + (event.clientX - box.left) / box.width * span))
  }

  key(event) {
    const steps = { ArrowLeft: -10, ArrowRight: 10, PageUp: -60, PageDown: 60 }
    if (event.key === 'Escape') return this.at(null)
    if (!(event.key in steps)) return
    event.preventDefault()
    const second = Math.min(this.end, Math.max(this.end - span, (this.second ?? this.end) + steps[event.key]))
    this.at(second)
    setText(this.said, `${time(second * 1000)}: ` + this.rows.map(row => `${row.label} ${row.now.textContent}`).join(', '))
  }

  /** Shows the values of a second, or of now. */
  at(second) {
    this.second = second
    for (const row of this.rows) {
      if (!row.all) continue
      const index = second == null ? last(row.all) : second - (this.end - span)
      setText(row.now, row.format(row.all[index] ?? null))
      setText(row.when, second != null ? `at ${time(second * 1000)}` : row.per ?? '')
      const x = second == null ? -9 : this.x(second)
      row.hair.setAttribute('x1', x)
      row.hair.setAttribute('x2', x)
    }
  }

  leave() {
    this.resize.disconnect()
  }
}

/** What the lines are called: one entry for all, one for each node. */
export function legend(series, lines) {
  const nodes = [...series].sort((a, b) => a[1].name < b[1].name ? -1 : a[1].name > b[1].name ? 1 : a[0] < b[0] ? -1 : 1)
  return { all: lines !== 'nodes' || nodes.length === 1, nodes: lines !== 'sum' && nodes.length > 1 ? nodes : [] }
}

function last(values) {
  // A beat may be a second late.
  for (let index = values.length - 1; index > values.length - 4; index -= 1) if (values[index] != null) return index
  return values.length - 1
}

function outline(values, x, y) {
  let path = ''
  let isOpen = false
  values.forEach((value, index) => {
    if (value == null) isOpen = false
    else {
      path += `${isOpen ? 'L' : 'M'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`
      // A single second is a dot.
      if (!isOpen && values[index + 1] == null) path += 'h.1'
      isOpen = true
    }
  })
  return path
}

function area(values, x, y, ground) {
  let path = ''
  let start = null
  values.forEach((value, index) => {
    if (value == null) return
    if (start == null) {
      start = index
      path += `M${x(index).toFixed(1)} ${ground}`
    }
    path += `L${x(index).toFixed(1)} ${y(value).toFixed(1)}`
    if (values[index + 1] == null) {
      path += `L${x(index).toFixed(1)} ${ground}Z`
      start = null
    }
  })
  return path
}

/** The next of 1, 2, 5, 10, 20 … */
function ceiling(value) {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].find(step => value <= step * power * 1.0001) * power
}

function words(values, format) {
  const known = values.filter(value => value != null)
  if (known.length === 0) return 'nothing is known'
  const least = known.reduce((a, b) => Math.min(a, b))
  const most = known.reduce((a, b) => Math.max(a, b))
  return `now ${format(known.at(-1))}, between ${format(least)} and ${format(most)} in the last ten minutes`
}

export const sum = (a, b) => a + b
export const largest = (a, b) => Math.max(a, b)
