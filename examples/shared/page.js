// What the pages have in common: who this is, where Carillon is, the room in the address, and the line that shows the connection.
import { Client } from './carillon.js'

/** The application's server (examples/serve.py) says where Carillon is. */
export const settings = await (await fetch('/config.json')).json()

/** An address of Carillon: `url('ws', '/raw', {channel: 'news'})`. */
export function url(scheme, path, query = {}) {
  const secure = location.protocol == 'https:' ? 's' : ''
  const address = settings.address.startsWith(':') ? location.hostname + settings.address : settings.address
  const text = new URLSearchParams(query).toString()
  return `${scheme}${secure}://${address}${path}${text ? '?' + text : ''}`
}

/** An element: `make('p', {className: 'hint'}, 'text', other)`. Texts are texts, never HTML. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

export const $ = id => document.getElementById(id)

/** What stands behind the `#` of the address, in the letters that channel names of the examples have. */
export const room = (otherwise = 'lobby') =>
  decodeURIComponent(location.hash.slice(1)).toLowerCase().replace(/[^a-z0-9-]+/g, '-').slice(0, 40) || otherwise

/** A number of the address's query, between two bounds. */
export function parameter(name, otherwise, least, most) {
  const value = Number(new URLSearchParams(location.search).get(name) ?? NaN)
  return value >= least && value <= most ? value : otherwise
}

/** A name that nobody else has, also where the address is not secure and `crypto.randomUUID` is missing. */
export const unique = () => [...crypto.getRandomValues(new Uint8Array(8))].map(byte => byte.toString(16).padStart(2, '0')).join('')

const FIRST = ['Ada', 'Bela', 'Cleo', 'Dora', 'Emil', 'Fritz', 'Gala', 'Hugo', 'Iris', 'Juno', 'Kolja', 'Lena', 'Milo', 'Nora']

/**
 * Who this tab is. The name may be changed; the id stays as long as the tab, so a reload is the same person, and two tabs are two.
 */
export const me = {
  id: sessionStorage.id ??= unique(),
  get name() { return sessionStorage.name ??= FIRST[Math.floor(Math.random() * FIRST.length)] },
  set name(text) { sessionStorage.name = text },
}

/** A token from the application's server, which in an application would know from its own login who asks. */
export async function token() {
  const reply = await fetch(`/token?${new URLSearchParams({ id: me.id, name: me.name })}`)
  if (!reply.ok) throw new Error('no token')
  return (await reply.json()).token
}

/** A colour for a user, the same for everybody who looks. */
export function colour(user) {
  let sum = 0
  for (const letter of user) sum = (sum * 31 + letter.codePointAt(0)) % 360
  return `hsl(${sum} 55% 45%)`
}

/** A round picture with the first letter of a name. */
export function face(user, name) {
  const element = make('span', { className: 'face', ariaHidden: 'true' }, [...name][0]?.toUpperCase() ?? '?')
  element.style.backgroundColor = colour(user)
  return element
}

/** A client of this user, with its state shown in the element with the id `status`. */
export function client() {
  const made = new Client(url('ws', '/connection/websocket'), token)
  const show = () => status(made.state, {
    connected: `connected to node ${made.node?.slice(0, 4)}`, connecting: made.reason ? `${made.reason}: connecting …` : 'connecting …',
    offline: 'no network', closed: made.reason || 'closed' }[made.state])
  made.addEventListener('state', show)
  made.connect()
  return made
}

export function status(state, text) {
  const line = $('status')
  if (!line) return
  line.dataset.state = state
  line.textContent = text
}

/** Makes the field with the id `name` the user's name; `changed` is called with each new one. */
export function nameField(changed = () => {}) {
  const field = $('name')
  field.value = me.name
  field.onchange = () => {
    const name = field.value.trim().slice(0, 24)
    if (name && name != me.name) { me.name = name; changed(name) }
    field.value = me.name
  }
}

/** Asks for camera and microphone; shows why there are none. */
export async function devices(wanted) {
  try {
    if (!navigator.mediaDevices) throw new Error('this address is not secure (use localhost or https)')
    return await navigator.mediaDevices.getUserMedia(wanted)
  } catch (error) {
    notice(`There is no camera here: ${error.message}`)
    return null
  }
}

/** A sentence on top of the page; an empty one takes it away. */
export function notice(text) {
  const line = $('notice')
  line.textContent = text
  line.hidden = !text
}
