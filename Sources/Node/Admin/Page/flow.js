// What arrives as it happens: the tail of a channel, the trace of a connection.
import { explain, stream } from './api.js'
import { el, put, setText } from './dom.js'
import { count, things, time } from './format.js'
import { payload } from './payload.js'

/** Entries that are shown; older ones are forgotten. */
const most = 100
/** Milliseconds between two looks at what came, so that a fast channel does not keep the browser busy. */
const pace = 200

export class Flow {
  /**
   * `path` of an event stream, `what` it is called where it is missing, `entries`: for an event's name, what is shown in front
   * of its payload; `controls`: more fields; `query` gives the parameters.
   */
  constructor({ path, what, name, entries, controls = [], query = () => ({}) }) {
    Object.assign(this, { path, what, entries, query })
    this.button = el('button', { type: 'button', class: 'strong', onclick: () => this.isOpen ? this.stop('Stopped.') : this.start() }, 'Start')
    this.only = el('input', { type: 'search', autocomplete: 'off', spellcheck: 'false' })
    this.said = el('p', { class: 'note', role: 'status' })
    // Not live: what comes here may come a hundred times a second, and a screen reader reads it when asked.
    this.list = el('ol', { class: 'flow', 'aria-label': name, hidden: true })
    this.element = el('div', { class: 'stack' }, el('div', { class: 'search' }, ...controls, el('label', { class: 'field' }, el('span', {}, 'Only with the text'), this.only),
      this.button), this.said, this.list)
    this.waiting = []
  }

  async start() {
    this.asking = new AbortController()
    const { signal } = this.asking
    this.isOpen = true
    this.shown = 0
    this.missed = 0
    this.ending = null
    this.waiting = []
    put(this.list)
    put(this.button, 'Stop')
    setText(this.said, 'Asking…')
    this.timer = setInterval(() => this.flush(), pace)
    try {
      for await (const { event, data } of stream(this.path, this.query(), signal)) this.take(event, data)
      this.stop(this.ending ? `It has ended: ${this.ending}.` : 'The node ended it.')
    } catch (error) {
      if (!signal.aborted) this.stop(explain(error, this.what))
    }
  }

  take(event, data) {
    if (event === 'listening' || event === 'tracing') setText(this.said, 'Listening. Nothing has come yet.')
    else if (event === 'end') this.ending = data.reason
    else if (event === 'lost') {
      this.waiting.push(el('li', { class: 'missed' }, `Publications of the channel are lost, up to ${data.position ?? 'an unknown position'}`))
    } else if (event === 'dropped') {
      const n = data.publications ?? data.messages ?? 1
      this.missed += n
      this.waiting.push(el('li', { class: 'missed' }, `${things(n, 'message')} left out: more came than is shown`))
    } else if (event in this.entries) {
      const text = data.encoding === 'base64' ? null : data.data ?? ''
      if (this.only.value && !(text ?? '').includes(this.only.value)) return
      this.shown += 1
      this.waiting.push({ event, data, text })
    }
    // Only what will be seen is made.
    if (this.waiting.length > most) this.waiting.splice(0, this.waiting.length - most)
  }

  flush() {
    if (this.waiting.length === 0) return
    const items = this.waiting.map(entry => entry instanceof Element ? entry : el('li', { class: entry.event },
      el('p', { class: 'flow-head' }, el('time', {}, time(entry.data.time)), ' ', this.entries[entry.event](entry.data)),
      payload({ text: entry.text, base64: entry.text == null ? entry.data.data : null, size: entry.data.bytes, cut: entry.data.truncated })))
    this.waiting = []
    this.list.hidden = false
    this.list.prepend(...items.reverse())
    while (this.list.children.length > most) this.list.lastChild.remove()
    setText(this.said, `${count(this.shown)} shown${this.missed ? `, ${count(this.missed)} left out` : ''}. The newest is first${this.shown > most ? `; the last ${most} are kept` : ''}.`)
  }

  stop(text) {
    this.flush()
    clearInterval(this.timer)
    this.asking?.abort()
    this.isOpen = false
    put(this.button, 'Start')
    setText(this.said, text)
  }

  leave() {
    clearInterval(this.timer)
    this.asking?.abort()
  }
}
