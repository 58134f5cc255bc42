// One connection: everything that is known of it, what it is sent and sends, and how it is closed.
import { Refusal, explain, get, path, post } from './api.js'
import { confirm } from './ask.js'
import { choice, el, field, foreign, link, note, section, setText } from './dom.js'
import { showFacts } from './facts.js'
import { Flow } from './flow.js'
import { bytes, count, duration, moment, things } from './format.js'
import { to } from './place.js'
import { Table } from './table.js'
import { watch } from './watch.js'

const interval = 2000

export function show(root, { id }) {
  const said = el('p', { class: 'note', role: 'status' })
  const result = el('p', { class: 'note', role: 'status' })
  const about = el('div', { class: 'about' })
  const close = el('button', { type: 'button', class: 'danger', hidden: true, onclick: () => closeOne() }, 'Close it…')
  const closeUser = el('button', { type: 'button', class: 'danger', hidden: true, onclick: () => closeAll() }, 'Close all of its user…')
  const table = new Table({
    caption: 'Subscriptions', key: row => row.name, empty: 'It is subscribed to no channel.',
    columns: [
      { label: 'Channel', text: row => row.name, cell: row => link(to('channels', row.name), foreign(row.name)) },
      { label: 'Confirmed', text: row => row.confirmed == null ? '–' : row.confirmed ? 'yes' : 'not yet' },
      { label: 'Receives', text: row => row.form ?? '–' },
      { label: 'Ends', text: row => row.expires_at == null ? '–' : moment(row.expires_at * 1000) },
    ],
  })
  const more = el('button', { type: 'button', hidden: true, onclick: () => readMore() }, 'More subscriptions')
  const grants = el('div', {})
  const seconds = choice({ name: 'seconds' }, [['60', '1 min'], ['300', '5 min'], ['10', '10 s']], '60')
  const flow = new Flow({
    path: path('connections', id, 'trace'), what: 'the trace of a connection', name: 'What the connection sends and gets',
    controls: [field('For', seconds)], query: () => ({ seconds: seconds.value }),
    entries: {
      in: data => [el('span', { class: 'way in' }, 'from the client'), kind(data)],
      out: data => [el('span', { class: 'way out' }, 'to the client'), kind(data)],
    },
  })
  root.append(el('h1', { tabindex: '-1', 'data-title': `Connection ${id.slice(0, 8)}` }, 'Connection ', el('code', {}, foreign(id))),
    el('div', { class: 'acts' }, close, closeUser), result, said, about,
    section('Subscriptions', table.element, el('p', { class: 'buttons' }, more)), grants,
    section('Live trace', note('What the client sends and what it is sent, for a limited time and at a limited rate. It costs nothing while nobody looks.'), flow.element))

  let known = null
  let rest = []
  let timer = 0
  const asking = new AbortController()
  async function look() {
    if (document.visibilityState === 'visible') {
      try {
        show(await get(path('connections', id), {}, { signal: asking.signal }))
      } catch (error) {
        if (asking.signal.aborted) return
        close.hidden = closeUser.hidden = true
        if (!watch.locked) {
          setText(said, error instanceof Refusal && error.code === 'unknown_connection'
            ? known ? 'The connection is closed. This is what was known of it last.' : 'No connection has this id, or not any more.'
            : explain(error, 'one connection'))
        }
        // A closed one does not come back.
        if (error instanceof Refusal && error.status < 500 && error.status !== 401) return
      }
    }
    timer = setTimeout(look, interval)
  }

  function show(own) {
    known = own
    setText(said, '')
    close.hidden = false
    closeUser.hidden = own.user == null
    const node = own.node_name ?? watch.nameOf(own.node)
    showFacts(about, [
      ['User', own.user == null ? 'none' : link(to('connections', '', { user: own.user }), foreign(own.user))],
      ['Info', own.info ? el('code', {}, foreign(own.info)) : null],
      ['Node', link(to('nodes', own.node), foreign(node))],
      ['Address', foreign(own.remote)],
      ['Dialect', own.dialect],
      ['Transport', own.transport],
      ['Encoding', own.encoding],
      ['Compression', own.compression],
      ['Direction', own.unidirectional == null ? null : own.unidirectional ? 'only to the client' : 'both ways'],
      ['TLS', own.tls == null ? null : own.tls ? 'yes' : 'no'],
      ['Logged in', own.logged_in == null ? null : own.logged_in ? 'yes' : 'not yet'],
      ['Age', duration(own.age_seconds)],
      ['Opened', own.opened_at ? moment(own.opened_at) : null],
      ['Token ends', own.expires_at == null ? null : moment(own.expires_at * 1000)],
      ['Messages from it', count(own.messages_in)],
      ['Bytes from it', bytes(own.bytes_in)],
      ['Bytes to it', bytes(own.bytes_out)],
      ['Backlog', own.kernel_bytes ? `${bytes(own.backlog_bytes)}, ${bytes(own.kernel_bytes)} of it in the kernel` : bytes(own.backlog_bytes)],
      ['Dropped', things(own.dropped_publications ?? 0, 'publication')],
      ['Unanswered', own.unanswered == null ? null : things(own.unanswered, 'publication')],
      ['Not read, because', (own.unread ?? []).join('; ') || null],
    ])
    // Pages behind the first stay as they were read.
    const first = own.subscriptions ?? own.channels.map(name => ({ name }))
    const names = new Set(first.map(row => row.name))
    table.show([...first, ...rest.filter(row => !names.has(row.name))])
    if (rest.length === 0) more.cursor = own.cursor
    more.hidden = !more.cursor
    showFacts(grants, (own.grants ?? []).map((grant, index) => [`Grant ${index + 1}`, `${grant.match.join(', ')}: ${grant.allow.join(', ')}`]))
  }

  async function readMore() {
    try {
      const answer = await get(path('connections', id), { cursor: more.cursor })
      rest = [...rest, ...answer.subscriptions]
      more.cursor = answer.cursor ?? null
      show({ ...known })
    } catch (error) {
      setText(said, explain(error, 'more subscriptions'))
    }
  }

  async function closeOne() {
    const node = known.node_name ?? watch.nameOf(known.node)
    const isSure = await confirm({
      title: ['Close this connection?'],
      consequences: [
        `The client at ${known.remote} on node ${node} is closed with code 4000, "closed by an operator".`,
        'Most client libraries connect again by themselves.', 'The audit log records it.',
      ],
      act: 'Close it',
    })
    if (!isSure) return
    await act(path('connections', id, 'close'), () => 'It is closed.')
  }

  async function closeAll() {
    const isSure = await confirm({
      title: ['Close all connections of ', foreign(known.user), '?'],
      consequences: [
        'Every connection of this user, on every node, is closed with code 4000, "closed by an operator".',
        'Its token is not revoked: client libraries connect again by themselves.', 'The audit log records it.',
      ],
      act: 'Close all',
    })
    if (!isSure) return
    await act(path('users', known.user, 'close'), answer => `${things(answer.closed, 'connection')} closed.`)
  }

  async function act(path, done) {
    setText(result, '…')
    try {
      setText(result, done(await post(path)))
    } catch (error) {
      setText(result, explain(error, 'closing'))
    }
    clearTimeout(timer)
    look()
  }

  look()
  return {
    leave() {
      clearTimeout(timer)
      asking.abort()
      flow.leave()
    },
  }
}

/** What a message of a trace is, beside its direction. */
function kind(data) {
  return [data.opcode ?? data.kind ?? '', data.redacted ? ' – its token is not shown' : null]
}
