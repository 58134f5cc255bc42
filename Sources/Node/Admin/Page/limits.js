// Limits that bite now, and who does not keep up now.
import { columns } from './connections.js'
import { el, foreign, link, note, section, setText } from './dom.js'
import { count } from './format.js'
import { to } from './place.js'
import { Table } from './table.js'
import { watch } from './watch.js'

export function show(root) {
  const sentence = el('p', { class: 'lead' })
  const limits = new Table({
    caption: 'Limits that bit in the last minute', key: row => `${row.node} ${row.name}`, empty: 'No limit has bitten in the last minute.',
    columns: [
      { label: 'Limit', text: row => row.key ?? row.name, cell: row => row.key ? link(to('config', '', { find: row.key }), el('code', {}, row.key)) : foreign(row.name) },
      { label: 'Node', text: row => watch.nameOf(row.node), cell: row => watch.node(row.node) ? link(to('nodes', watch.node(row.node).id), foreign(watch.nameOf(row.node))) : foreign(row.node) },
      { label: 'Times in the last minute', number: true, text: row => count(row.hits_last_minute) },
      { label: 'Metric', text: row => row.metric ?? '–', cell: row => row.metric ? el('code', {}, row.metric) : '–' },
    ],
  })
  const slow = new Table({ caption: 'Slow consumers now', key: row => row.id, empty: 'Every connection keeps up.', columns })
  const body = el('div', {}, sentence, section('Limits that bite', limits.element),
    section('Slow consumers', slow.element, note('Those with the most bytes waiting. More are in the list of connections, sorted by backlog.')))
  const missing = el('p', { class: 'note' })
  root.append(el('h1', { tabindex: '-1' }, 'Limits'), missing, body)
  return {
    update() {
      body.hidden = watch.problems == null
      setText(missing, watch.problemsAreUnknown ? 'The node that serves this page is of a version without a report of limits. Its metrics have them.' : watch.problems ? '' : 'Asking…')
      missing.hidden = missing.textContent === ''
      if (!watch.problems) return
      setText(sentence, watch.problems.sentence)
      limits.show(watch.problems.limits)
      slow.show(watch.problems.slow)
    },
  }
}
