// One channel: who is subscribed, what is stored, who is present, what is published now.
import { Refusal, canBeAsked, explain, get, path, postText } from './api.js'
import { choice, el, foreign, link, note, put, section, setText } from './dom.js'
import { showFacts } from './facts.js'
import { Flow } from './flow.js'
import { count, duration, moment, rate, shortened, things } from './format.js'
import { payload } from './payload.js'
import { to } from './place.js'
import { Table } from './table.js'
import { watch } from './watch.js'

/** Publications of history, and members, that are read at a time. */
const page = 20
const interval = 3000

export function show(root, { id: name }) {
  const title = el('h1', { tabindex: '-1', 'data-title': `Channel ${name}` }, 'Channel ', foreign(name))
  root.append(title)
  if (!canBeAsked(name)) {
    root.append(note('A browser cannot ask for a channel with this name, because it takes it for a part of an address. "carillon channels" in a terminal can.'))
    return {}
  }
  const said = el('p', { class: 'note', role: 'status' })
  const about = el('div', { class: 'about' })
  const table = new Table({
    caption: 'Subscribers by node', key: row => row.node, empty: 'Nobody is subscribed now.',
    columns: [
      { label: 'Node', text: row => watch.nameOf(row.node), cell: row => link(to('nodes', row.node), foreign(watch.nameOf(row.node))) },
      { label: 'Subscribers', number: true, text: row => count(row.subscribers),
        cell: row => link(to('connections', '', { channel: name, node: row.node }), count(row.subscribers)) },
      { label: 'Dialects', text: row => dialects(row.dialects) },
      { label: 'Publications/s', number: true, text: row => rate(row.publications_per_s) },
      { label: 'Dropped', number: true, text: row => count(row.dropped_publications) },
    ],
  })
  const flow = new Flow({
    path: path('channels', name, 'tail'), what: 'the tail of a channel', name: 'Publications as they come',
    entries: {
      publication: data => [data.position ? el('code', {}, data.position) : null,
        data.publisher ? [' by ', link(to('connections', data.publisher), el('code', {}, shortened(data.publisher)))] : null],
    },
  })
  const parts = [publishing(name), history(name), presence(name)]
  root.append(said, about, section('Subscribers by node', table.element), section('Live tail', flow.element),
    ...parts.map(part => part.element))

  let timer = 0
  const asking = new AbortController()
  async function look() {
    clearTimeout(timer)
    const started = performance.now()
    if (document.visibilityState === 'visible') {
      try {
        show(await get(path('channels', name), {}, { signal: asking.signal }))
        setText(said, '')
      } catch (error) {
        if (asking.signal.aborted) return
        if (!watch.locked) setText(said, explain(error, 'this channel'))
      }
    }
    timer = setTimeout(look, Math.max(interval, (performance.now() - started) * 20))
  }

  function show(report) {
    const kept = report.history
    const members = report.presence
    showFacts(about, [
      ['Subscribers', link(to('connections', '', { channel: name }), count(report.subscribers))],
      ['Dialects', report.dialects ? dialects(report.dialects) : null],
      ['Publications', report.publications_per_s != null ? `${rate(report.publications_per_s)}/s` : null],
      ['Rule', report.rule ? el('code', {}, report.rule) : null],
      ['History', kept ? `${things(kept.size, 'publication')} for ${duration(kept.ttl_ms / 1000)}` : 'rule' in report ? 'not kept' : null],
      ['Presence', members ? 'kept' : 'rule' in report ? 'not kept' : null],
      ['Slow subscribers', report.slow],
      ['Dropped', things(report.dropped_publications, 'publication')],
      ['Nodes heard', `${report.nodes.answered} of ${report.nodes.asked}`],
    ])
    table.show(report.by_node.filter(row => row.subscribers > 0))
  }

  look()
  for (const part of parts) part.look?.()
  return {
    leave() {
      clearTimeout(timer)
      asking.abort()
      flow.leave()
    },
  }
}

function dialects(list) {
  return (list ?? []).map(entry => `${entry.name} ${count(entry.subscribers)}`).join(', ') || '–'
}

/** Publishes from the page. */
function publishing(name) {
  const kind = choice({}, [['data', 'JSON'], ['text', 'text'], ['base64', 'binary, as base64']], 'data')
  const body = el('textarea', { rows: '4', spellcheck: 'false', autocomplete: 'off', required: true }, '')
  const said = el('p', { class: 'note', role: 'status' })
  const form = el('form', { class: 'publish', onsubmit: async event => {
    event.preventDefault()
    setText(said, '…')
    try {
      if (kind.value === 'data') JSON.parse(body.value)
    } catch (error) {
      setText(said, `This is not JSON: ${error.message}`)
      return
    }
    try {
      // JSON goes as it was typed: 1.50 stays 1.50.
      const content = kind.value === 'data' ? body.value.trim()
        : JSON.stringify(kind.value === 'base64' ? body.value.replace(/\s+/g, '') : body.value)
      const answer = await postText(path('publish'), `{"channel":${JSON.stringify(name)},"${kind.value}":${content}}`)
      const position = Object.values(answer.positions ?? {})[0]
      setText(said, position ? `Published at ${position}.` : 'Published.')
    } catch (error) {
      setText(said, explain(error, 'publishing'))
    }
  } }, el('label', { class: 'field' }, el('span', {}, 'Kind'), kind), el('label', { class: 'field grow' }, el('span', {}, 'Payload'), body),
  el('button', { class: 'strong' }, 'Publish'))
  return { element: section('Publish', note('It reaches every subscriber on every node. With log.audit: all, the audit log records it.'), form, said) }
}

/** What is stored, the newest first, a page at a time. */
function history(name) {
  const list = el('ol', { class: 'flow' })
  const said = el('p', { class: 'note', role: 'status' })
  const more = el('button', { type: 'button', hidden: true, onclick: () => read(more.since) }, 'Older ones')
  const again = el('button', { type: 'button', onclick: () => read(null) }, 'Read again')
  async function read(since) {
    try {
      const answer = await get(path('channels', name, 'history'), { reverse: true, limit: page, since })
      const items = answer.publications.map(entry => el('li', { class: 'publication' },
        el('p', { class: 'flow-head' }, el('time', {}, entry.time ? moment(entry.time) : 'time unknown'), ' ', el('code', {}, entry.position),
          entry.publisher?.user != null ? [' by ', link(to('connections', '', { user: entry.publisher.user }), foreign(entry.publisher.user))]
            : entry.publisher?.client ? [' by ', link(to('connections', entry.publisher.client), el('code', {}, shortened(entry.publisher.client)))] : null,
          (entry.tags ?? []).map(tag => el('span', { class: 'tag' }, foreign(tag.key), '=', foreign(tag.value)))),
        payload({ text: entry.text, base64: entry.base64 })))
      if (since == null) put(list, items)
      else list.append(...items)
      more.since = answer.next
      more.hidden = !answer.next
      again.hidden = false
      setText(said, list.children.length === 0 ? 'Nothing is stored now.' : `The newest is first. The top is ${answer.top}.`)
    } catch (error) {
      again.hidden = true
      more.hidden = true
      setText(said, error instanceof Refusal && error.code === 'no_history' ? 'The channel has no history.' : explain(error, 'the history'))
    }
  }
  return { element: section('History', said, list, el('p', { class: 'buttons' }, again, more)), look: () => read(null) }
}

/** Who is subscribed, as presence has it. */
function presence(name) {
  const said = el('p', { class: 'note', role: 'status' })
  const table = new Table({
    caption: 'Members', key: row => row.client ?? row.user, empty: 'Nobody is present now.',
    columns: [
      { label: 'Connection', text: row => row.client ?? '–', cell: row => row.client ? link(to('connections', row.client), el('code', { title: row.client }, shortened(row.client))) : '–' },
      { label: 'User', text: row => row.user ?? '–', cell: row => row.user != null ? link(to('connections', '', { user: row.user }), foreign(row.user)) : '–' },
      { label: 'Info', wide: true, text: row => row.info ?? '–', cell: row => row.info ? el('code', {}, foreign(row.info)) : '–' },
    ],
  })
  let rows = []
  const more = el('button', { type: 'button', hidden: true, onclick: () => read(more.cursor) }, 'More members')
  const again = el('button', { type: 'button', onclick: () => read(null) }, 'Read again')
  async function read(cursor) {
    try {
      const answer = await get(path('channels', name, 'presence'), { limit: page, cursor })
      rows = cursor ? [...rows, ...answer.members] : answer.members
      table.show(rows)
      more.cursor = answer.cursor
      more.hidden = !answer.cursor
      again.hidden = false
      setText(said, `${things(answer.clients, 'session')} of ${things(answer.users, 'user')}.`)
    } catch (error) {
      again.hidden = true
      more.hidden = true
      table.show([])
      table.empty.hidden = true
      setText(said, error instanceof Refusal && error.code === 'no_presence' ? 'The channel has no presence.' : explain(error, 'presence'))
    }
  }
  return { element: section('Presence', said, table.element, el('p', { class: 'buttons' }, again, more)), look: () => read(null) }
}
