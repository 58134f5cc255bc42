// The configuration in force on the node that serves the page, where each value comes from, and how the file is read again.
import { Refusal, explain, get, path, post } from './api.js'
import { confirm } from './ask.js'
import { el, foreign, section, setText } from './dom.js'
import { things } from './format.js'
import { text } from './list.js'
import { go } from './place.js'
import { Table } from './table.js'
import { watch } from './watch.js'

const origins = { default: 'default', file: 'file', environment: 'environment' }

function shown(value) {
  return value === null || value === undefined ? '–' : typeof value === 'string' ? value : JSON.stringify(value)
}

export function show(root, { query }) {
  const find = text('find', { placeholder: 'limits.' })
  const only = el('input', { type: 'checkbox', id: 'only-set' })
  const said = el('p', { class: 'note', role: 'status' })
  const table = new Table({
    caption: 'Configuration in force', key: row => row.key, empty: 'No key is like this.',
    columns: [
      { label: 'Key', text: row => row.key, cell: row => el('code', {}, row.key) },
      { label: 'Value', wide: true, text: row => shown(row.value), cell: row => el('code', { class: 'value' }, foreign(shown(row.value))) },
      { label: 'From', text: row => row.origin ? `${origins[row.origin] ?? row.origin}${row.where ? ` ${row.where}` : ''}` : '–',
        cell: row => row.origin ? [el('span', { class: `origin ${row.origin}` }, origins[row.origin] ?? row.origin), row.where ? [' ', foreign(row.where)] : null] : '–' },
    ],
  })
  const read = el('p', { class: 'note', role: 'status' })
  const changes = new Table({
    caption: 'What the reload changed', key: row => row.key, empty: 'Nothing was different.',
    columns: [
      { label: 'Key', text: row => row.key, cell: row => el('code', {}, row.key) },
      { label: 'Was', wide: true, text: row => shown(row.from), cell: row => el('code', { class: 'value' }, foreign(shown(row.from))) },
      { label: 'Is', wide: true, text: row => shown(row.to), cell: row => el('code', { class: 'value' }, foreign(shown(row.to))) },
      { label: 'Takes effect', text: row => ({ now: 'now', 'new sessions': 'for new sessions', restart: 'after a restart' })[row.effect] ?? row.effect },
    ],
  })
  const outcome = el('div', { hidden: true }, section('What the reload changed', changes.element))
  const self = el('p', { class: 'note' })
  root.append(el('h1', { tabindex: '-1' }, 'Configuration'), self,
    el('div', { class: 'acts' }, el('button', { type: 'button', onclick: () => reload() }, 'Read the file again…')), read, outcome,
    el('form', { class: 'search', role: 'search', 'aria-label': 'Search the configuration', onsubmit: event => {
      event.preventDefault()
      go('config', '', { find: find.value, set: only.checked ? 'true' : '' })
    } }, el('label', { class: 'field' }, el('span', {}, 'Contains'), find),
    el('p', { class: 'check' }, only, ' ', el('label', { for: 'only-set' }, 'only what is set')), el('button', { class: 'strong' }, 'Search')),
    said, table.element)
  let rows = []
  find.addEventListener('input', show)
  only.addEventListener('change', show)
  find.value = query.find ?? ''
  only.checked = query.set === 'true'

  function show() {
    const wanted = find.value.toLowerCase()
    const some = rows.filter(row => (!only.checked || (row.origin && row.origin !== 'default'))
      && (row.key.toLowerCase().includes(wanted) || shown(row.value).toLowerCase().includes(wanted)))
    table.show(some)
  }

  async function look() {
    try {
      const answer = await get(path('config'), { origins: true })
      // Version 0.3 answers without looking at the parameter.
      const isKnown = Array.isArray(answer)
      rows = isKnown ? answer : Object.entries(answer).map(([key, value]) => ({ key, value }))
      setText(said, isKnown ? '' : 'The node that serves this page is of a version that does not say where a value comes from.')
    } catch (error) {
      if (!watch.locked) setText(said, explain(error, 'the configuration'))
    }
    only.disabled = rows.every(row => row.origin == null)
    rows.sort((a, b) => a.key < b.key ? -1 : 1)
    show()
  }

  async function reload() {
    const name = watch.nodes.find(node => node.is_self)?.name ?? 'this node'
    const isSure = await confirm({
      title: ['Read the configuration file of ', foreign(name), ' again?'],
      consequences: [
        'Rules, keys, limits, origins, rates and the log level take effect at once, for open sessions too where that has a meaning.',
        'What needs a restart is named and stays as it is. A file with a mistake changes nothing.',
        'Only this node reads its file. The audit log records it.',
      ],
      act: 'Read it again',
    })
    if (!isSure) return
    setText(read, '…')
    outcome.hidden = true
    try {
      const answer = await post(path('config', 'reload'))
      const changed = answer.changed ?? []
      const warnings = answer.warnings ?? []
      setText(read, `${changed.length === 0 ? 'Read. Nothing was different.' : `Read. ${things(changed.length, 'key was', 'keys were')} different.`}${warnings.map(warning => ` Warning: ${shown(warning.message ?? warning)}`).join('')}`)
      changes.show(changed)
      outcome.hidden = changed.length === 0
      look()
    } catch (error) {
      setText(read, error instanceof Refusal && error.status === 422 ? `Nothing has changed. ${error.message}` : explain(error, 'a reload through the API'))
    }
  }

  look()
  return {
    update() {
      const node = watch.nodes.find(entry => entry.is_self)
      if (node) setText(self, `This is the configuration of node ${node.name}, which serves this page. Secrets are not shown.`)
    },
    changed(query) {
      find.value = query.find ?? ''
      only.checked = query.set === 'true'
      show()
    },
  }
}
