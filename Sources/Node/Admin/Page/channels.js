// The channels of the cluster.
import { path } from './api.js'
import { el, foreign, link } from './dom.js'
import { count, rate } from './format.js'
import { List, text } from './list.js'
import { to } from './place.js'

export function show(root, { query }) {
  const list = new List({
    view: 'channels', path: path('channels'), what: 'this list of channels', query,
    fields: [{ name: 'prefix', label: 'Begins with', control: text('prefix', { placeholder: 'news:' }) }],
    sorts: [['name', 'name'], ['subscribers', 'subscribers'], ['rate', 'publications/s']],
    rows: answer => answer.channels,
    table: {
      caption: 'Channels with subscribers', key: row => row.name, empty: 'No channel with subscribers has such a name.',
      columns: [
        { label: 'Channel', sort: 'name', text: row => row.name, cell: row => link(to('channels', row.name), foreign(row.name)) },
        { label: 'Subscribers', number: true, sort: 'subscribers', text: row => count(row.subscribers),
          cell: row => link(to('connections', '', { channel: row.name }), count(row.subscribers)) },
        { label: 'Publications/s', number: true, sort: 'rate', text: row => rate(row.publications_per_s) },
        { label: 'Nodes', number: true, text: row => count(Array.isArray(row.nodes) ? row.nodes.length : row.nodes ?? row.on_nodes) },
      ],
    },
  })
  root.append(el('h1', { tabindex: '-1' }, 'Channels'), list.element)
  return list
}
