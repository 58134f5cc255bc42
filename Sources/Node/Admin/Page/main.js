// The frame around the views: which one is shown, the sentence of state, the token, keys, colours.
import { door, setToken } from './api.js'
import { open } from './ask.js'
import { el, put, setText } from './dom.js'
import { go, read, to } from './place.js'
import { watch } from './watch.js'
import * as channel from './channel.js'
import * as channels from './channels.js'
import * as configuration from './configuration.js'
import * as connection from './connection.js'
import * as connections from './connections.js'
import * as limits from './limits.js'
import * as links from './links.js'
import * as node from './node.js'
import * as nodes from './nodes.js'
import * as overview from './overview.js'

/** The views, in the order in which they are offered: the key that leads there, its name, and the view of one thing. */
const places = {
  overview: { key: 'o', name: 'Overview', all: overview },
  nodes: { key: 'n', name: 'Nodes', all: nodes, one: node },
  channels: { key: 'c', name: 'Channels', all: channels, one: channel },
  connections: { key: 'k', name: 'Connections', all: connections, one: connection },
  links: { key: 'l', name: 'Links', all: links },
  limits: { key: 'm', name: 'Limits', all: limits },
  config: { key: 'f', name: 'Configuration', all: configuration },
}

const $ = id => document.getElementById(id)
let shown = null

put($('places'), el('ul', {}, Object.entries(places).map(([view, { name }]) =>
  el('li', {}, el('a', { href: to(view), 'data-view': view }, name)))))

// A token in the address would end up in histories, so it is taken out of there.
const given = /^#token=(.*)$/.exec(location.hash)
if (given) {
  setToken(new URLSearchParams(location.hash.slice(1)).get('token'))
  history.replaceState(null, '', location.pathname)
}

function show() {
  const place = read(location.hash)
  const view = places[place.view]
  document.body.dataset.view = place.view
  const module = view && (place.id ? view.one : view.all)
  for (const anchor of $('places').querySelectorAll('a')) {
    if (anchor.dataset.view === place.view) anchor.setAttribute('aria-current', place.id ? 'true' : 'page')
    else anchor.removeAttribute('aria-current')
  }
  // The same view with another search: it keeps what it has.
  if (shown && shown.module === module && shown.id === place.id && shown.view.changed) {
    shown.view.changed(place.query)
    return
  }
  shown?.view.leave?.()
  const isFirst = shown == null
  const root = el('div', { class: 'view' })
  if (!module) {
    root.append(el('h1', { tabindex: '-1' }, 'There is no such view'), el('p', {}, 'Choose one of those above.'))
    shown = { module, id: place.id, view: {} }
  } else {
    shown = { module, id: place.id, view: module.show(root, place) }
  }
  put($('view'), root)
  const title = root.querySelector('h1')
  document.title = `${title.dataset.title ?? title.textContent} – Carillon`
  // Screen readers and the keyboard go on where the new view begins.
  if (!isFirst) {
    scrollTo(0, 0)
    title.focus({ preventScroll: true })
  }
  shown.view.update?.()
}

function refresh() {
  const { kind, text } = watch.state
  const summary = $('summary')
  // Only what changed is announced.
  setText(summary, text)
  summary.dataset.state = kind
  $('login').hidden = !watch.locked
  $('view').hidden = watch.locked
  document.body.classList.toggle('stale', watch.failure != null)
  if (watch.report) {
    const self = watch.nodes.find(entry => entry.is_self)
    if (self) setText($('foot'), `Shown by ${self.name}${self.summary ? `, Carillon ${self.summary.version}` : ''}. Everything here is in the API too, under api/v1.`)
  }
  if (!watch.locked) shown?.view.update?.()
}

door.closed = () => {
  if (watch.locked) return
  watch.locked = true
  refresh()
}

$('login').addEventListener('submit', event => {
  event.preventDefault()
  setToken($('token').value.trim())
  $('token').value = ''
  // What was refused without it is asked for again.
  shown?.view.leave?.()
  shown = null
  show()
  watch.turn = 0
  watch.again()
})

$('skip').addEventListener('click', event => {
  event.preventDefault()
  $('main').focus()
})

// Colours: as the system has them, until chosen otherwise.

const themes = { '': ['Auto', 'Colours: as the system has them'], light: ['Light', 'Colours: light'], dark: ['Dark', 'Colours: dark'] }

function paint(theme) {
  if (theme) document.documentElement.dataset.theme = theme
  else delete document.documentElement.dataset.theme
  const [name, title] = themes[theme]
  put($('theme'), name)
  $('theme').title = title
  $('theme').setAttribute('aria-label', `${title} (choose another)`)
}

let theme = localStorage.getItem('theme')
if (!(theme in themes)) theme = ''
paint(theme)
$('theme').addEventListener('click', () => {
  const names = Object.keys(themes)
  theme = names[(names.indexOf(theme) + 1) % names.length]
  if (theme) localStorage.setItem('theme', theme)
  else localStorage.removeItem('theme')
  paint(theme)
})

// Keys

let isGoing = false
let goingEnds = 0
let hasKeys = sessionStorage.getItem('keys') !== 'off'

document.addEventListener('keydown', event => {
  if (!hasKeys || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return
  if (event.target.closest?.('input, textarea, select')) {
    if (event.key === 'Escape') event.target.blur()
    return
  }
  if (isGoing) {
    isGoing = false
    const found = Object.entries(places).find(([, { key }]) => key === event.key)
    if (found) {
      event.preventDefault()
      go(found[0])
    }
    return
  }
  if (event.key === 'g') {
    isGoing = true
    clearTimeout(goingEnds)
    goingEnds = setTimeout(() => { isGoing = false }, 1500)
  } else if (event.key === '/') {
    const search = $('view').querySelector('input')
    if (search) {
      event.preventDefault()
      search.focus()
      search.select?.()
    }
  } else if (event.key === '?') {
    event.preventDefault()
    help()
  }
})

function help() {
  const rows = [...Object.values(places).map(({ key, name }) => [`g ${key}`, name]),
    ['/', 'The first field of the view'], ['← →', 'Through time, in the lines of the overview'], ['Esc', 'Out of a field or a question'], ['?', 'This list']]
  const box = el('input', { type: 'checkbox', id: 'keys', checked: hasKeys, onchange: event => {
    hasKeys = event.target.checked
    sessionStorage.setItem('keys', hasKeys ? 'on' : 'off')
  } })
  open(el('dialog', { 'aria-labelledby': 'help-title' }, el('form', { method: 'dialog' },
    el('h2', { id: 'help-title' }, 'Keyboard'),
    el('dl', { class: 'keys' }, rows.map(([keys, what]) => el('div', {},
      el('dt', {}, keys.split(' ').map((key, index) => [index > 0 ? ' ' : null, el('kbd', {}, key)])), el('dd', {}, what)))),
    el('p', {}, box, ' ', el('label', { for: 'keys' }, 'Shortcuts of single keys')),
    el('p', { class: 'buttons' }, el('button', { autofocus: true }, 'Close')))))
}

$('help').addEventListener('click', help)

addEventListener('hashchange', show)
watch.addEventListener('change', refresh)
show()
watch.start()
