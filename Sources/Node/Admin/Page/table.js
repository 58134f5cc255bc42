// Tables that are brought up to date in place: what did not change is not touched, so that the focus and a selection stay.
import { el, put } from './dom.js'

export class Table {
  /**
   * `columns`: `{ label, text(row), cell(row), number, sort, wide, title }`. `text` says when a cell has to be made again;
   * `cell` makes its content, the text where there is none. `sort` is what the list is asked for when the header is chosen.
   * `key(row)` tells rows apart. The first column is the row's header.
   */
  constructor({ caption, columns, key, empty, onsort, rowState }) {
    this.columns = columns
    this.key = key
    this.rowState = rowState
    this.rows = new Map()
    this.heads = columns.map(column => el('th', { scope: 'col', role: 'columnheader', class: column.number ? 'number' : null },
      column.sort && onsort
        ? el('button', { type: 'button', class: 'sort', onclick: () => onsort(column.sort) }, column.label) : column.label))
    this.body = el('tbody', { role: 'rowgroup' })
    this.empty = el('p', { class: 'empty' }, empty)
    // On a narrow screen the rows are drawn as cards; the roles keep it a table for screen readers there.
    this.table = el('table', { role: 'table' }, el('caption', { class: 'hidden' }, caption),
      el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, this.heads)), this.body)
    this.element = el('div', { class: 'table' }, this.table, this.empty)
    this.show([])
    // Nothing is known yet.
    this.empty.hidden = true
  }

  /** By which column the rows are sorted, as `sort` of the column has it. */
  sortedBy(value) {
    this.columns.forEach((column, index) => {
      if (column.sort && column.sort === value) this.heads[index].setAttribute('aria-sort', column.number ? 'descending' : 'ascending')
      else this.heads[index].removeAttribute('aria-sort')
    })
  }

  show(rows) {
    const seen = new Set()
    let before = null
    for (const row of rows) {
      const key = this.key(row)
      if (seen.has(key)) continue
      seen.add(key)
      let entry = this.rows.get(key)
      if (!entry) {
        entry = this.make()
        this.rows.set(key, entry)
      }
      this.update(entry, row)
      const wanted = before ? before.nextSibling : this.body.firstChild
      if (entry.element !== wanted) this.body.insertBefore(entry.element, wanted)
      before = entry.element
    }
    for (const [key, entry] of this.rows) {
      if (seen.has(key)) continue
      entry.element.remove()
      this.rows.delete(key)
    }
    this.table.hidden = seen.size === 0
    this.empty.hidden = seen.size > 0
  }

  make() {
    const cells = this.columns.map((column, index) => el(index === 0 ? 'th' : 'td', {
      scope: index === 0 ? 'row' : null, role: index === 0 ? 'rowheader' : 'cell', 'data-label': column.label,
      class: [column.number ? 'number' : '', column.wide ? 'wide' : ''].join(' ').trim() || null,
    }))
    return { element: el('tr', { role: 'row' }, cells), cells, texts: [] }
  }

  update(entry, row) {
    this.columns.forEach((column, index) => {
      const text = column.text(row)
      if (entry.texts[index] === text) return
      entry.texts[index] = text
      put(entry.cells[index], column.cell ? column.cell(row) : text)
    })
    const state = this.rowState?.(row) ?? ''
    if (entry.element.className !== state) entry.element.className = state
  }
}
