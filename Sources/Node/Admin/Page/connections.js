// Who is connected, to what, on which node.
import { path } from './api.js'
import { choice, el, foreign, link } from './dom.js'
import { bytes, count, duration, shortened } from './format.js'
import { List, nodeChoice, text } from './list.js'
import { to } from './place.js'
import { watch } from './watch.js'

const dialects = ['raw', 'sse', 'centrifuge']

/** Names of channels, a few of them, each a link. */
function some(row) {
  const names = row.channels.slice(0, 3)
  const more = row.channels.length - names.length + (row.more_channels ?? 0)
  return names.length === 0 ? '–' : [names.map((name, index) => [index > 0 ? ', ' : null, link(to('channels', name), foreign(name))]),
    more > 0 ? ` and ${count(more)} more` : null]
}

export const columns = [
  { label: 'Connection', text: row => row.id, cell: row => link(to('connections', row.id), el('code', { title: row.id }, shortened(row.id))) },
  { label: 'User', text: row => row.user ?? '–', cell: row => row.user == null ? '–' : link(to('connections', '', { user: row.user }), foreign(row.user)) },
  { label: 'Dialect', text: row => row.dialect },
  { label: 'Address', text: row => row.remote, cell: row => foreign(row.remote) },
  { label: 'Node', text: row => watch.nameOf(row.node), cell: row => link(to('nodes', row.node), foreign(watch.nameOf(row.node))) },
  { label: 'Channels', wide: true, text: row => JSON.stringify([row.channels, row.more_channels]), cell: some },
  { label: 'Age', number: true, sort: 'age', text: row => duration(row.age_seconds) },
  { label: 'Backlog', number: true, sort: 'backlog', text: row => bytes(row.backlog_bytes) },
  { label: 'Dropped', number: true, sort: 'dropped', text: row => count(row.dropped_publications) },
]

export function show(root, { query }) {
  const node = nodeChoice(query.node)
  const list = new List({
    view: 'connections', path: path('connections'), what: 'this search of connections', query,
    fields: [
      { name: 'user', label: 'User', control: text('user') },
      { name: 'channel', label: 'Channel', control: text('channel') },
      { name: 'address', label: 'Address', control: text('address', { placeholder: '10.0.0.7' }) },
      { name: 'dialect', label: 'Dialect', control: choice({ name: 'dialect' }, [['', 'any'], ...dialects.map(name => [name, name])]) },
      { name: 'node', label: 'Node', control: node },
    ],
    sorts: [['id', 'id'], ['backlog', 'backlog'], ['age', 'age'], ['dropped', 'dropped']],
    rows: answer => answer.connections,
    table: { caption: 'Connections', key: row => row.id, empty: 'No connection is like this.', columns },
  })
  root.append(el('h1', { tabindex: '-1' }, 'Connections'), list.element)
  return { changed: query => list.changed(query), leave: () => list.leave(), update: () => node.refresh() }
}
