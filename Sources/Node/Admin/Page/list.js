// A list that is searched, sorted and paged by the node, with everything that is asked for in the address.
import { explain, get } from './api.js'
import { el, put, setText, visible } from './dom.js'
import { things, time } from './format.js'
import { go } from './place.js'
import { Table } from './table.js'
import { watch } from './watch.js'

/** Rows of a page. */
const size = 50
/** Milliseconds between two readings, at least; a list that takes long to make is read less often. */
const interval = 5000
/** How much of the node's time a list takes at most: one part in this many. */
const share = 20

export class List {
  /**
   * `view` is its name in addresses; `path` what is asked; `what` it is called where it is missing; `fields`:
   * `{ name, label, control }`; `sorts`: `[value, words]`, the first is the node's own; `table`: see `Table`; `rows` takes
   * them out of an answer.
   */
  constructor({ view, path, what, fields, sorts, table, rows, query }) {
    Object.assign(this, { view, path, what, fields, sorts, rows, query })
    this.sort = el('select', { name: 'sort', onchange: () => this.submit() },
      sorts.map(([value, words]) => el('option', { value }, words)))
    this.form = el('form', { class: 'search', role: 'search', 'aria-label': `Search ${view}`, onsubmit: event => {
      event.preventDefault()
      this.submit()
    } }, fields.map(({ label, control }) => el('label', { class: 'field' }, el('span', {}, label), control)),
    el('label', { class: 'field' }, el('span', {}, 'Sort by'), this.sort),
    el('button', { class: 'strong' }, 'Search'))
    for (const { control } of fields) if (control.tagName === 'SELECT') control.addEventListener('change', () => this.submit())
    this.table = new Table({ ...table, onsort: value => this.go({ ...this.query, sort: value === sorts[0][0] ? '' : value, cursor: '' }) })
    this.said = el('p', { class: 'note', role: 'status' })
    this.first = el('button', { type: 'button', onclick: () => this.go({ ...this.query, cursor: '' }) }, 'First page')
    this.before = el('button', { type: 'button', onclick: () => this.go({ ...this.query, cursor: this.visited.get(this.query.cursor) ?? '' }) }, 'Previous page')
    this.next = el('button', { type: 'button', onclick: () => this.goOn() }, 'Next page')
    this.read = el('span', { class: 'read' })
    this.pager = el('nav', { class: 'pager', 'aria-label': 'Pages' }, this.first, this.before, this.next, this.read)
    /** Which page came before one that was visited. */
    this.visited = new Map()
    this.element = el('div', { class: 'stack' }, this.form, this.said, this.table.element, this.pager)
    this.changed(query)
  }

  go(query) { go(this.view, '', query) }

  submit() {
    const query = { sort: this.sort.value === this.sorts[0][0] ? '' : this.sort.value }
    for (const { name, control } of this.fields) query[name] = control.value
    this.go(query)
  }

  goOn() {
    this.visited.set(this.cursor, this.query.cursor ?? '')
    this.go({ ...this.query, cursor: this.cursor })
  }

  changed(query) {
    this.query = query
    for (const { name, control } of this.fields) if (control.value !== (query[name] ?? '')) control.value = query[name] ?? ''
    this.sort.value = query.sort ?? this.sorts[0][0]
    this.table.sortedBy(this.sort.value)
    this.look()
  }

  async look() {
    clearTimeout(this.timer)
    this.asking?.abort()
    this.asking = new AbortController()
    const { signal } = this.asking
    const started = performance.now()
    try {
      // What else the address has in it is not meant for the node.
      const known = [...this.fields.map(({ name }) => name), 'sort', 'cursor']
      const query = Object.fromEntries(known.map(name => [name, this.query[name]]))
      const answer = await get(this.path, { ...query, limit: size }, { signal })
      this.show(answer)
    } catch (error) {
      if (signal.aborted) return
      this.table.show([])
      this.table.empty.hidden = true
      this.pager.hidden = true
      setText(this.said, watch.locked ? '' : explain(error, this.what))
    }
    const took = performance.now() - started
    this.timer = setTimeout(() => this.again(), Math.max(interval, took * share))
  }

  /** Reads the list again, unless nobody sees it. */
  again() {
    if (document.visibilityState === 'visible') return this.look()
    this.timer = setTimeout(() => this.again(), interval)
  }

  show(answer) {
    const rows = this.rows(answer)
    this.cursor = answer.cursor ?? null
    this.table.show(rows)
    const { asked, answered } = answer.nodes
    setText(this.said, answered < asked ? `Only ${answered} of ${things(asked, 'node')} answered: the list is not whole.` : '')
    this.first.disabled = !this.query.cursor
    this.before.disabled = !this.query.cursor || !this.visited.has(this.query.cursor)
    this.next.disabled = !this.cursor
    this.pager.hidden = false
    setText(this.read, `${things(rows.length, 'row')}, read at ${time(Date.now())}`)
  }

  leave() {
    clearTimeout(this.timer)
    this.asking?.abort()
  }
}

/** A field for text of a search. */
export function text(name, attributes = {}) {
  return el('input', { name, type: 'search', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', ...attributes })
}

/** A choice of one of the cluster's nodes, by id. */
export function nodeChoice(chosen) {
  const select = el('select', { name: 'node' })
  const options = () => {
    const ids = new Set(watch.nodes.map(node => node.id))
    const wanted = select.value || chosen
    put(select, el('option', { value: '' }, 'any'), watch.nodes.map(node => el('option', { value: node.id }, visible(node.name))),
      wanted && !ids.has(wanted) ? el('option', { value: wanted }, wanted) : null)
    select.value = wanted || ''
  }
  options()
  let known = watch.nodes.map(node => node.id + node.name).join()
  select.refresh = () => {
    const now = watch.nodes.map(node => node.id + node.name).join()
    if (now === known || document.activeElement === select) return
    known = now
    options()
  }
  return select
}

