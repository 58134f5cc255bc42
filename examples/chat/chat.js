// A chat: `chat:ROOM` has history and presence, `typing:ROOM` has neither. Who says something is what the node says about the sender's
// token, so nobody can speak in another's name.
import { $, client, colour, face, make, me, nameField, room, unique } from '/shared/page.js'
import { Roster } from '/shared/roster.js'

const ROOMS = ['lobby', 'kitchen', 'garden']
const TYPING_SHOWN = 4000, TYPING_SAID = 2000   // milliseconds
const REMEMBERED = 50                           // messages shown to whoever comes

const carillon = client()
let here = null                                 // the room that is shown: its subscriptions, and what was shown
nameField(() => carillon.reconnect())

function enter() {
  here?.talk.close()
  here?.hints.close()
  const name = room(), shown = new Set()
  $('messages').replaceChildren()
  $('people').replaceChildren()
  document.title = `${name} – Carillon chat`
  for (const other of new Set([...ROOMS, name])) if (![...$('rooms').children].some(item => item.dataset.room == other)) {
    const item = make('li', {}, make('a', { href: `#${other}` }, `# ${other}`))
    item.dataset.room = other
    $('rooms').append(item)
  }
  for (const { dataset, firstChild: link } of $('rooms').children) {
    if (dataset.room == name) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }

  const roster = new Roster(people)
  const now = here = { name, shown, roster, typing: new Map(), last: null, waiting: new Map() }
  now.talk = carillon.subscribe(`chat:${name}`, {
    subscribed: async ({ recovered, wasRecovering }) => {
      roster.read(now.talk).catch(() => {})
      for (const text of now.waiting.values()) send(now, text)
      // Whoever was here before has what was said meanwhile, or is told that it is too much to be had.
      if (recovered) return
      const newest = await now.talk.newest(REMEMBERED).catch(() => [])
      if (now != here) return
      if (wasRecovering) note('Some messages are missing here.')
      for (const publication of newest) show(now, publication)
    },
    publication: publication => show(now, publication),
    join: info => roster.join(info), leave: info => { now.typing.delete(info.user); typing(); roster.leave(info) },
    refused: error => note(`This room is closed: ${error.message}`) })
  now.hints = carillon.subscribe(`typing:${name}`, {
    // Whoever has a new name says something here, so that the others see it.
    subscribed: () => now.hints.publish({ typing: false }).catch(() => {}),
    publication: ({ data, info }) => {
      if (!info) return
      roster.rename(info)
      if (info.user == me.id) return
      if (data?.typing) now.typing.set(info.user, { name: String(info.conn_info?.name ?? info.user), until: Date.now() + TYPING_SHOWN })
      else now.typing.delete(info.user)
      typing()
    } })
}

function show(now, { data, info, offset, time }) {
  const key = typeof data?.key == 'string' ? data.key : `${offset}`
  if (now != here || typeof data?.text != 'string' || now.shown.has(key)) return
  now.shown.add(key)
  now.waiting.delete(key)
  $(`waiting-${key}`)?.remove()
  const user = info?.user ?? '', name = String(info?.conn_info?.name ?? 'somebody')
  append(line(now, user, name, data.text, time ?? Date.now()))
  if (now.typing.delete(user)) typing()
}

function line(now, user, name, text, time) {
  const isMore = now.last?.user == user && now.last.name == name && time - now.last.time < 300_000
  now.last = { user, name, time }
  if (isMore) return make('li', { className: 'more' }, make('p', {}, text))
  const when = new Date(time)
  const title = make('b', {}, name)
  title.style.color = `color-mix(in srgb, ${colour(user)} 70%, currentcolor)`
  return make('li', {}, face(user, name), make('div', {}, title,
    make('time', { dateTime: when.toISOString() }, when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })), make('p', {}, text)))
}

/** Adds a line, in front of what is not sent yet, and keeps the end in sight if it was. */
function append(item, isWaiting = false) {
  const list = $('messages'), isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80
  const first = isWaiting ? null : list.querySelector('.waiting')
  list.insertBefore(item, first)
  if (isAtEnd || isWaiting) list.scrollTop = list.scrollHeight
}

function note(text) {
  here.last = null
  append(make('li', { className: 'note' }, text))
}

function people(roster) {
  if (roster != here.roster) return
  $('people').replaceChildren(...roster.inOrder.map(({ user, name }) =>
    make('li', {}, face(user, name), make('span', {}, name + (user == me.id ? ' (you)' : '')))))
}

function typing() {
  const names = [...here.typing].filter(([, { until }]) => until > Date.now()).map(([, { name }]) => name)
  $('typing').textContent = names.length == 0 ? '' : names.length == 1 ? `${names[0]} is typing …`
    : names.length < 4 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)} are typing …` : 'Several people are typing …'
}
setInterval(typing, 500)

/** What is not there yet is sent when the connection is back, with the same key: so it is shown once. */
async function send(now, message) {
  try {
    await now.talk.publish(message)
  } catch (error) {
    // Without a connection it is sent when there is one again. What is refused for good is not.
    if (error.code && !error.temporary && now.waiting.delete(message.key)) {
      $(`waiting-${message.key}`)?.remove()
      note(`Not sent: ${error.message}`)
    }
  }
}

$('say').onsubmit = event => {
  event.preventDefault()
  const text = $('words').value.trim()
  if (!text) return
  $('words').value = ''
  said = 0
  const message = { key: unique(), text }
  here.waiting.set(message.key, message)
  append(make('li', { className: 'waiting more', id: `waiting-${message.key}` }, make('p', {}, text)), true)
  if (carillon.state == 'connected' && here.talk.isSubscribed) send(here, message)
}

let said = 0
$('words').oninput = () => {
  if (carillon.state != 'connected') return
  const isTyping = $('words').value != ''
  if (isTyping && Date.now() - said < TYPING_SAID) return
  said = isTyping ? Date.now() : 0
  here.hints.publish({ typing: isTyping }).catch(() => {})
}

addEventListener('hashchange', enter)
enter()

// What the tests look at.
window.chat = { client: carillon }
