// What joins the nodes: each Redis, the links to it, and what they went through.
import { el, foreign, link, note, put, state } from './dom.js'
import { count, duration, micros, moment, things } from './format.js'
import { to } from './place.js'
import { Table } from './table.js'
import { watch } from './watch.js'

const phases = { linked: 'good', degraded: 'warn', isolated: 'bad', starting: 'warn' }

/** What is known of a link, as terms and values; what a node of an earlier version does not say is left out. */
export function linkFacts(own) {
  return [
    ['State', state(phases[own.phase] ?? 'off', own.phase)],
    ['Since', `${moment(own.since)}, ${duration((Date.now() - own.since) / 1000)}`],
    ['Reason', own.reason ? foreign(own.reason) : null],
    ['Servers', own.servers != null ? `${count(own.servers)}, ${own.away ? `${count(own.away.length)} away` : 'all linked'}` : null],
    ...(own.away ?? []).map(server => [`Away: ${server.name}`,
      [`${things(server.partitions, 'partition')}, since ${moment(server.since)}`, ...(server.reason ? [': ', foreign(server.reason)] : [])]]),
    ['Change of servers', own.change ? foreign(own.change) : null],
    ['Server', own.server ? foreign(own.server) : own.kind === 'memory' ? 'none: the node is alone' : null],
    ['Role', own.role],
    ['Round trip', own.round_trip_us != null ? micros(own.round_trip_us) : null],
    ['Last own beat', own.beat_age_ms != null ? `${duration(own.beat_age_ms / 1000)} ago` : null],
    ['Connections lost', count(own.reconnects)],
    ['Channels subscribed again', count(own.resubscribed)],
    ['Publications waiting', count(own.waiting_publishes)],
    ['Publications healed', own.healed != null ? count(own.healed) : null],
    ['Losses told', own.lost != null ? count(own.lost) : null],
    ['Messages not understood', count(own.bad_messages)],
  ]
}

export function show(root) {
  const servers = el('div', {})
  root.append(el('h1', { tabindex: '-1' }, 'Links'),
    note('A node publishes a beat to itself every second over its link. It is linked while its beats come back, and isolated otherwise.'), servers)
  const shown = new Map()
  return {
    update() {
      const groups = new Map()
      for (const node of watch.nodes) {
        const own = node.summary?.link
        const name = !own ? 'Not known' : own.kind === 'memory' ? 'Memory' : own.server ?? 'Not linked'
        if (!groups.has(name)) groups.set(name, [])
        groups.get(name).push(node)
      }
      const names = [...groups.keys()].sort()
      for (const name of names) if (!shown.has(name)) shown.set(name, make(name))
      for (const [name, { element }] of shown) {
        if (groups.has(name)) continue
        element.remove()
        shown.delete(name)
      }
      for (const name of names) {
        const { element, table, about } = shown.get(name)
        if (!element.isConnected) servers.append(element)
        const nodes = groups.get(name)
        const role = nodes.map(node => node.summary?.link.role).find(Boolean)
        const linked = nodes.filter(node => node.summary?.link.phase === 'linked').length
        const text = name === 'Memory' ? 'No Redis: the node is alone, and keeps everything in its own memory.'
          : `${role ? `Role: ${role}. ` : ''}${linked} of ${things(nodes.length, 'node')} linked.`
        if (about.textContent !== text) put(about, text)
        table.show(nodes)
      }
    },
  }
}

function make(name) {
  const table = new Table({
    caption: `Links to ${name}`, key: row => row.id, empty: 'No node.',
    columns: [
      { label: 'Node', text: row => row.name, cell: row => link(to('nodes', row.id), foreign(row.name)) },
      { label: 'State', text: row => (row.is_fresh ? row.summary?.link.phase ?? 'unknown' : 'not heard'),
        cell: row => row.is_fresh && row.summary ? state(phases[row.summary.link.phase] ?? 'off', row.summary.link.phase) : state('bad', 'not heard') },
      { label: 'Since', text: row => moment(row.summary?.link.since) },
      { label: 'Round trip', number: true, text: row => micros(row.summary?.link.round_trip_us) },
      { label: 'Connections lost', number: true, text: row => count(row.summary?.link.reconnects) },
      { label: 'Subscribed again', number: true, text: row => count(row.summary?.link.resubscribed) },
      { label: 'Waiting', number: true, text: row => count(row.summary?.link.waiting_publishes) },
      { label: 'Healed', number: true, text: row => count(row.summary?.link.healed) },
      { label: 'Losses told', number: true, text: row => count(row.summary?.link.lost) },
      { label: 'Reason', wide: true, text: row => row.summary?.link.reason ?? '–', cell: row => row.summary?.link.reason ? foreign(row.summary.link.reason) : '–' },
    ],
    rowState: row => row.is_fresh && row.summary?.link.phase === 'linked' ? '' : 'bad',
  })
  const about = el('p', { class: 'note' })
  const id = `server-${Math.random().toString(36).slice(2)}`
  return { table, about, element: el('section', { 'aria-labelledby': id },
    el('h2', { id }, name === 'Memory' || name.startsWith('Not ') ? name : ['Redis at ', foreign(name)]), about, table.element) }
}
