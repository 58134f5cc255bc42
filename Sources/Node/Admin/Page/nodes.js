// All nodes, with what differs between them.
import { explain, get, path } from './api.js'
import { el, foreign, link, note, put, section, setText, state } from './dom.js'
import { bytes, count, duration, micros, rate, things } from './format.js'
import { to } from './place.js'
import { Table } from './table.js'
import { conditionOf, configurations, watch } from './watch.js'

export function show(root) {
  const versions = el('div', {})
  let common = ''
  let differing = new Set()
  const table = new Table({
    caption: 'All nodes of the cluster', key: row => row.id, empty: 'No node is known yet.',
    columns: [
      { label: 'Node', text: row => row.name + row.is_self, cell: row => [link(to('nodes', row.id), foreign(row.name)), row.is_self ? ' (this one)' : null] },
      { label: 'State', text: row => conditionOf(row).text, cell: row => state(conditionOf(row).kind, conditionOf(row).text) },
      { label: 'Version', text: row => `${row.summary?.version ?? '–'} ${row.summary && row.summary.version !== common}`,
        cell: row => row.summary && row.summary.version !== common
          ? el('span', { class: 'differs' }, row.summary.version, ' – differs') : row.summary?.version ?? '–' },
      { label: 'Configuration', text: row => `${row.summary?.configuration ?? '–'} ${differing.has(row.id)}`,
        cell: row => differing.has(row.id) ? el('span', { class: 'differs' }, row.summary.configuration.slice(0, 6), ' – differs')
          : row.summary?.configuration?.slice(0, 6) ?? '–' },
      { label: 'Up', number: true, text: row => row.summary ? duration((Date.now() - row.summary.started_at) / 1000) : '–' },
      { label: 'Sessions', number: true, text: row => count(row.summary?.sessions) },
      { label: 'Channels', number: true, text: row => count(row.summary?.channels) },
      { label: 'Publ./s', number: true, text: row => rate(row.summary?.rates.publications) },
      { label: 'Deliv./s', number: true, text: row => rate(row.summary?.rates.deliveries) },
      { label: 'CPU', number: true, text: row => row.summary ? `${rate(row.summary.cpu_percent)} %` : '–' },
      { label: 'Memory', number: true, text: row => bytes(row.summary?.memory_bytes) },
      { label: 'Backlog', number: true, text: row => bytes(row.summary?.backlog_bytes) },
      { label: 'Round trip', number: true, text: row => micros(row.summary?.link.round_trip_us) },
    ],
    rowState: row => conditionOf(row).kind === 'bad' ? 'bad' : '',
  })
  table.table.id = 'nodes'
  const keys = new Table({
    caption: 'Keys that differ', key: row => `${row.key} ${row.nodes.join()}`, empty: 'Nothing differs any more.',
    columns: [
      { label: 'Key', text: row => row.key, cell: row => link(to('config', '', { find: row.key }), el('code', {}, row.key)) },
      { label: 'Value', wide: true, text: row => row.value, cell: row => foreign(row.value) },
      { label: 'On', text: row => row.nodes.join(', '), cell: row => row.nodes.flatMap((name, index) => [index > 0 ? ', ' : null, foreign(name)]) },
    ],
  })
  const said = el('p', { class: 'note', role: 'status' })
  const configured = section('Configurations that differ', keys.element, said,
    note('Secrets are not compared, nor what is each node\'s own: its name, addresses, files and log.'))
  configured.hidden = true
  root.append(el('h1', { tabindex: '-1' }, 'Nodes'), versions, table.element, configured,
    note('CPU is of one core. Drain a node, or put it back, on its own view.'))
  let told = null
  // The digests that the keys were asked for.
  let asked = ''

  async function compare() {
    try {
      const report = await get(path('config', 'differences'))
      const { answered, asked: all } = report.nodes
      setText(said, answered < all ? `Only ${answered} of ${things(all, 'node')} said what it has.` : '')
      keys.show(report.keys.flatMap(({ key, values }) => values.map(({ value, nodes }) => ({ key, value, nodes }))))
    } catch (error) {
      setText(said, explain(error, 'a comparison of configurations'))
    }
    said.hidden = said.textContent === ''
  }

  return {
    update() {
      const found = configurations(watch.nodes)
      differing = new Set(found.differing.map(node => node.id))
      configured.hidden = differing.size === 0
      const digests = watch.nodes.map(node => `${node.id} ${node.summary?.configuration}`).join()
      if (differing.size > 0 && asked !== digests) compare()
      asked = differing.size > 0 ? digests : ''
      const counts = new Map()
      for (const node of watch.nodes) if (node.summary) counts.set(node.summary.version, (counts.get(node.summary.version) ?? 0) + 1)
      const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? 1 : -1))
      common = sorted[0]?.[0] ?? ''
      const text = sorted.length > 1
        ? `The nodes are of ${sorted.length} versions: ${sorted.map(([version, n]) => `${version} (${n})`).join(', ')}. That is right only while the cluster is upgraded.` : ''
      if (text !== told) {
        told = text
        put(versions, text ? note(text, 'warn') : null)
      }
      table.show(watch.nodes)
    },
  }
}
