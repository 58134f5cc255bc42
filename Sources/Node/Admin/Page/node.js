// One node in detail, and how it is drained and put back.
import { explain, path, post } from './api.js'
import { confirm } from './ask.js'
import { Charts } from './chart.js'
import { el, foreign, link, put, section, setText, state } from './dom.js'
import { showFacts } from './facts.js'
import { bytes, count, duration, moment, rate, things } from './format.js'
import { measures } from './overview.js'
import { to } from './place.js'
import { linkFacts } from './links.js'
import { conditionOf, configurations, watch } from './watch.js'

export function show(root, { id }) {
  const title = el('h1', { tabindex: '-1', 'data-title': `Node ${watch.node(id)?.name ?? id}` }, 'Node ', foreign(watch.node(id)?.name ?? id))
  const about = el('div', { class: 'about' })
  const missing = el('p', { class: 'note', hidden: true }, 'No node of the cluster has this id or name. A node that is gone is forgotten after 10 s.')
  const acts = el('div', { class: 'acts' })
  const result = el('p', { role: 'status', class: 'note' })
  const charts = new Charts(measures)
  const body = el('div', {}, section('The last ten minutes', charts.element), section('Link', el('div', { class: 'link-facts' })))
  root.append(title, acts, result, missing, about, body)
  let offered = null
  let named = ''
  return {
    update() {
      const node = watch.node(id)
      if (!node) {
        missing.hidden = watch.report == null
        about.hidden = body.hidden = true
        put(acts)
        offered = null
        return
      }
      missing.hidden = true
      about.hidden = body.hidden = false
      if (named !== node.name) {
        named = node.name
        put(title, 'Node ', foreign(node.name))
        document.title = `Node ${node.name} – Carillon`
      }
      const summary = node.summary
      const condition = conditionOf(node)
      const versions = new Set(watch.nodes.map(entry => entry.summary?.version).filter(Boolean))
      const isAlike = configurations(watch.nodes).differing.length === 0
      showFacts(about, [
        ['State', state(condition.kind, condition.text)],
        ['Id', el('code', {}, node.id)],
        ['Version', summary && (summary.version + (versions.size > 1 ? ' – other nodes differ' : ''))],
        ['Configuration', summary?.configuration && (summary.configuration.slice(0, 6) + (isAlike ? '' : ' – other nodes differ'))],
        ['Up', summary && `${duration((Date.now() - summary.started_at) / 1000)}, since ${moment(summary.started_at)}`],
        ['Clients at', summary && el('code', {}, summary.client)],
        ['Admin at', summary && el('code', {}, summary.admin)],
        ['Sessions', summary && link(to('connections', '', { node: node.id }), count(summary.sessions))],
        ['Channels', summary && count(summary.channels)],
        ['Messages in', summary && `${rate(summary.rates.messages_in)}/s`],
        ['Sends', summary?.sends],
        ['Bytes out', summary && `${bytes(summary.rates.bytes_out)}/s`],
        ['CPU', summary && `${rate(summary.cpu_percent)} % of one core`],
        ['Memory', summary && bytes(summary.memory_bytes)],
        ['Backlog', summary && bytes(summary.backlog_bytes)],
      ])
      const own = watch.series.get(node.id)
      charts.show(own ? [[node.id, own]] : [], watch.events.filter(event => !event.node || event.node === node.name))
      if (summary) showFacts(body.querySelector('.link-facts'), linkFacts(summary.link))
      offer(node)
    },
    leave: () => charts.leave(),
  }

  function offer(node) {
    const isOut = Boolean(node.summary?.draining)
    const now = `${isOut} ${node.is_fresh}`
    if (offered === now) return
    offered = now
    put(acts, node.is_fresh && node.summary ? el('button', {
      type: 'button', class: isOut ? 'strong' : 'danger', onclick: () => isOut ? undrain(watch.node(id)) : drain(watch.node(id)),
    }, isOut ? 'Put it back' : 'Drain…') : null)
  }

  async function drain(node) {
    const sessions = node.summary.sessions
    const others = watch.nodes.filter(other => other.id !== node.id && conditionOf(other).kind === 'good')
    const isSure = await confirm({
      title: ['Drain node ', foreign(node.name), '?'],
      consequences: [
        'It stops accepting clients, and its health checks answer 503.',
        sessions === 0 ? 'It has no sessions now.'
          : `Its ${things(sessions, 'session is', 'sessions are')} told to reconnect, spread over the time that drain.window gives.`,
        others.length > 0 ? `${things(others.length, 'other node that serves now has', 'other nodes that serve now have')} to take them.`
          : 'No other node serves now: clients will find no node at all.',
        'It goes on running, and can be put back. The audit log records it.',
      ],
      act: 'Drain it',
    })
    if (isSure) await act(node, 'drain', 'It drains.')
  }

  async function undrain(node) {
    const isSure = await confirm({
      title: ['Put node ', foreign(node.name), ' back?'],
      consequences: ['It opens its client port again and accepts clients.', 'Sessions that went to other nodes stay there. The audit log records it.'],
      act: 'Put it back',
    })
    if (isSure) await act(node, 'undrain', 'It serves again.')
  }

  async function act(node, what, done) {
    setText(result, '…')
    try {
      await post(path('nodes', node.id, what))
      setText(result, done)
    } catch (error) {
      setText(result, explain(error, what))
    }
    watch.again()
  }
}
