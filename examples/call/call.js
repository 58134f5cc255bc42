// A call of two. Presence of `call:ROOM` says who is there, and the offers, answers and candidates of WebRTC are publications on it.
import { $, client, devices, make, me, nameField, notice, parameter, room, unique } from '/shared/page.js'
import { Mesh } from '/shared/mesh.js'
import { Roster } from '/shared/roster.js'

if (!location.hash) history.replaceState(null, '', `#${unique().slice(0, 6)}`)
addEventListener('hashchange', () => location.reload())

// Without a camera one may still look and listen.
const width = parameter('width', 1280, 160, 1920)
const stream = await devices({ video: { width, height: width * 9 / 16 }, audio: true }) ?? await devices({ audio: true })
$('own').srcObject = stream
$('own').hidden = !stream

const carillon = client()
nameField(() => carillon.reconnect())
const roster = new Roster(sit)
const mesh = new Mesh(me.id, unique(), stream, data => call.publish(data).catch(() => {}), draw)
const call = carillon.subscribe(`call:${room()}`, {
  subscribed: () => { roster.read(call).catch(() => {}) },
  publication: ({ data, info }) => {
    if (!info?.user) return
    // Presence and publications come in ways of their own: whoever speaks is there.
    if (!data.bye) roster.join(info)
    mesh.take(info.user, data)
  },
  join: info => roster.join(info),
  leave: info => roster.leave(info),
  refused: error => notice(`This call cannot be joined: ${error.message}`) })

/** The first two are in the call; whoever comes third has to wait. */
const pair = () => roster.inOrder.slice(0, 2)
const isOurs = () => pair().some(({ user }) => user == me.id)

function sit() {
  mesh.want(isOurs() ? pair().map(({ user }) => user) : [])
  draw()
}

function draw() {
  const [[user, known] = []] = mesh?.peers ?? []
  const peer = known?.peer, isThere = Boolean(peer?.stream.getTracks().length) && peer.state == 'connected'
  if ($('other').srcObject != (peer?.stream ?? null)) $('other').srcObject = peer?.stream ?? null
  $('other').hidden = !isThere
  $('hint').hidden = isThere
  const name = roster?.members.get(user)?.name
  $('who').textContent = isThere ? `with ${name ?? user}` : ''
  if (isThere) return
  if (roster && roster.members.size > 2 && !isOurs()) $('hint').textContent = 'Two are talking here already. You are next when one of them leaves.'
  else if (peer) $('hint').textContent = `Calling ${name ?? user} …`
  else $('hint').replaceChildren('Nobody else is here yet. Open this address in another window or send it to somebody:', make('br'),
    make('a', { href: location.href, target: '_blank', rel: 'noopener' }, location.href))
}

function toggle(button, kind) {
  const isOff = button.getAttribute('aria-pressed') != 'true'
  button.setAttribute('aria-pressed', isOff)
  for (const track of stream?.getTracks() ?? []) if (track.kind == kind) track.enabled = !isOff
}
$('sound').onclick = event => toggle(event.currentTarget, 'audio')
$('picture').onclick = event => toggle(event.currentTarget, 'video')

function leave() {
  mesh.goodbye()
  call.close()
}
addEventListener('pagehide', leave)
$('leave').onclick = () => {
  leave()
  stream?.getTracks().forEach(track => track.stop())
  location.href = '/'
}
draw()

// What the tests look at.
window.call = { mesh, roster, client: carillon }
