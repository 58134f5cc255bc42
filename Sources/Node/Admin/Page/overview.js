// The cluster at a glance: lines of the last ten minutes, the nodes, what happened.
import { Charts, colours, largest, legend, sum } from './chart.js'
import { choice, el, field, foreign, link, put, section, state } from './dom.js'
import { brief, bytes, count, micros, moment, rate } from './format.js'
import { go, to } from './place.js'
import { Table } from './table.js'
import { conditionOf, watch } from './watch.js'

/** What is drawn, and how values of several nodes become one. */
export const measures = [
  { name: 'sessions', label: 'Sessions', format: count, axis: brief, together: sum },
  { name: 'publications', label: 'Publications/s', format: rate, axis: brief, together: sum },
  { name: 'deliveries', label: 'Deliveries/s', format: rate, axis: brief, together: sum },
  { name: 'backlog', label: 'Backlog', format: bytes, axis: bytes, together: sum },
  { name: 'roundTrip', label: 'Round trip', format: micros, axis: micros, together: largest },
]

export function show(root, place) {
  let lines = place.query.lines ?? 'both'
  const charts = new Charts(measures.map(row => row.name === 'roundTrip' ? { ...row, per: 'the slowest node' } : row), { lines })
  const key = el('ul', { class: 'legend', 'aria-label': 'Lines' })
  const select = choice({ onchange: event => go('overview', '', { lines: event.target.value === 'both' ? '' : event.target.value }) },
    [['both', 'sum and nodes'], ['sum', 'sum only'], ['nodes', 'nodes only']], lines)
  const table = new Table({
    caption: 'Nodes', key: row => row.id, empty: 'No node is known yet.',
    columns: [
      { label: 'Node', text: row => row.name, cell: row => link(to('nodes', row.id), foreign(row.name)) },
      { label: 'State', text: row => conditionOf(row).text, cell: row => state(conditionOf(row).kind, conditionOf(row).text) },
      { label: 'Sessions', number: true, text: row => count(row.summary?.sessions) },
      { label: 'Deliveries/s', number: true, text: row => rate(row.summary?.rates.deliveries) },
      { label: 'Backlog', number: true, text: row => bytes(row.summary?.backlog_bytes) },
      { label: 'CPU', number: true, text: row => row.summary ? `${rate(row.summary.cpu_percent)} %` : '–' },
      { label: 'Memory', number: true, text: row => bytes(row.summary?.memory_bytes) },
    ],
  })
  table.table.id = 'nodes'
  const happened = el('ol', { class: 'events', id: 'events' })
  const none = el('p', { class: 'empty' }, 'Nothing yet.')
  const wrong = el('ul', { class: 'events problems' })
  const wrongPart = section('What needs attention', wrong)
  wrongPart.hidden = true
  root.append(el('h1', { tabindex: '-1' }, 'Overview'), wrongPart,
    el('section', { 'aria-labelledby': 'lines-title' },
      el('div', { class: 'bar' }, el('h2', { id: 'lines-title' }, 'The last ten minutes'), key, field('Lines', select)), charts.element),
    section('Nodes', table.element), section('What happened', happened, none))
  let drawn = ''
  return {
    update() {
      charts.lines = lines
      charts.show(watch.series, watch.events)
      const { all, nodes } = legend(watch.series, lines)
      const names = JSON.stringify([all, nodes.map(([id, { name }]) => [id, name])])
      if (names !== drawn) {
        drawn = names
        put(key, all ? el('li', { class: 'all' }, el('span', { class: 'swatch', 'aria-hidden': 'true' }), 'all nodes') : null,
          nodes.map(([id, { name }], index) => el('li', { class: `series-${Math.min(index, colours - 1)}` },
            el('span', { class: 'swatch', 'aria-hidden': 'true' }), link(to('nodes', id), foreign(name)))))
      }
      table.show(watch.nodes)
      showProblems(wrongPart, wrong, watch.problems?.problems ?? [])
      showEvents(happened, none, watch.events)
    },
    changed(query) {
      lines = query.lines ?? 'both'
      select.value = lines
      drawn = ''
      this.update()
    },
    leave: () => charts.leave(),
  }
}

/** What is wrong now, the worst first. */
function showProblems(part, list, problems) {
  const signature = JSON.stringify(problems)
  if (list.signature === signature) return
  list.signature = signature
  put(list, problems.map(problem => el('li', { class: problem.severity },
    el('span', { class: 'severity' }, { info: 'notice' }[problem.severity] ?? problem.severity), el('span', { class: 'what' }, foreign(problem.text)))))
  part.hidden = problems.length === 0
}

/** The list of what happened, newest first; made again only when there is something new. */
function showEvents(list, none, events) {
  const some = events.slice(0, 30)
  const signature = JSON.stringify(some)
  if (list.signature === signature) return
  list.signature = signature
  put(list, some.map(event => el('li', { class: event.severity },
    el('time', { datetime: new Date(event.time).toISOString() }, moment(event.time)),
    el('span', { class: 'severity' }, { info: 'notice' }[event.severity] ?? event.severity),
    el('span', { class: 'what' }, event.node ? [foreign(event.node), ': '] : null, foreign(event.text)))))
  list.hidden = some.length === 0
  none.hidden = some.length > 0
}
