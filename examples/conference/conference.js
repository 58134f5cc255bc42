// A conference. The roster comes from presence of `conference:ROOM`; its first members sit at the table: each of them is connected with
// each other by WebRTC. Everybody beyond that watches: then those at the table send their pictures once more, as broadcasts on
// `camera:conference-ROOM-USER`, and however many watch, each camera sends them once.
import { $, client, devices, make, me, nameField, notice, parameter, room, token, unique, url } from '/shared/page.js'
import { synchronise } from '/shared/clock.js'
import { FrameSender, FrameView } from '/shared/frames.js'
import { RawLink } from '/shared/link.js'
import { Mesh } from '/shared/mesh.js'
import { Roster } from '/shared/roster.js'

const SEATS = parameter('seats', 6, 2, 6)
const WIDTH = parameter('width', 640, 80, 1280)
const PICTURES = { width: 320, rate: 15 }       // of those who are broadcast
const name = room()

addEventListener('hashchange', () => location.reload())
const stream = await devices({ video: { width: WIDTH, height: Math.round(WIDTH * 9 / 16) }, audio: true })
await synchronise().catch(() => {})

const carillon = client()
nameField(() => carillon.reconnect())
const roster = new Roster(seat)
const mesh = new Mesh(me.id, unique(), stream, data => talk.publish(data).catch(() => {}), draw)
const talk = carillon.subscribe(`conference:${name}`, {
  subscribed: () => { roster.read(talk).catch(() => {}) },
  publication: ({ data, info }) => {
    if (!info?.user) return
    if (!data.bye) roster.join(info)
    mesh.take(info.user, data)
  },
  join: info => roster.join(info),
  leave: info => roster.leave(info),
  refused: error => notice(`This conference cannot be joined: ${error.message}`) })

let isSeated = false
const table = () => roster.inOrder.slice(0, SEATS)
const cameraOf = user => `camera:conference-${name}-${user}`

/** The roster has changed: who sits at the table, who is connected and who is watched follow from it. */
function seat() {
  const seated = table().map(({ user }) => user)
  isSeated = seated.includes(me.id)
  mesh.want(isSeated ? seated : [])
  broadcast(isSeated && roster.members.size > SEATS)
  watch(isSeated || !roster.members.has(me.id) ? [] : seated)
  draw()
}

// Those at the table, for those who watch.
let sending = null
function broadcast(isWanted) {
  const track = stream?.getVideoTracks()[0]
  if (isWanted == Boolean(sending) || !track) return
  if (!isWanted) {
    sending.frames.stop()
    sending.link.close()
    sending = null
    return
  }
  const link = new RawLink(async () => url('ws', '/raw', { channel: cameraOf(me.id), token: await token() }), () => {})
  sending = { link, frames: new FrameSender(track, () => link.socket, PICTURES) }
}

// Those who watch.
const watched = new Map()
function watch(users) {
  for (const [user, { link }] of watched) if (!users.includes(user)) {
    link.close()
    watched.delete(user)
  }
  for (const user of users) if (!watched.has(user)) {
    const canvas = make('canvas', { width: PICTURES.width, height: 180 }), view = new FrameView(canvas)
    const link = new RawLink(async () => url('ws', '/raw', { channel: cameraOf(user), token: await token() }), data => view.take(data))
    watched.set(user, { canvas, view, link })
  }
}

const videos = new Map()
/** A picture for each at the table; elements stay as long as their streams, so that nothing flickers. */
function draw() {
  const tiles = [...$('tiles').children], wanted = []
  for (const { user, name } of table()) {
    const own = user == me.id, seen = watched.get(user)
    const media = own ? stream : mesh.peers.get(user)?.peer.stream
    let picture = seen?.canvas
    if (!picture) {
      picture = videos.get(user) ?? make('video', { autoplay: true, playsInline: true, muted: own, className: own ? 'mirrored' : '' })
      videos.set(user, picture)
      if (picture.srcObject != (media ?? null)) picture.srcObject = media ?? null
    }
    const tile = tiles.find(tile => tile.contains(picture)) ?? make('div', { className: 'tile' }, picture, make('span'))
    tile.lastChild.textContent = own ? `${name} (you)` : name
    wanted.push(tile)
  }
  if (tiles.length != wanted.length || tiles.some((tile, index) => tile != wanted[index])) $('tiles').replaceChildren(...wanted)
  for (const user of videos.keys()) if (!roster.members.has(user)) videos.delete(user)
  const watching = Math.max(0, roster.members.size - SEATS)
  $('who').textContent = (isSeated ? `${wanted.length} at the table` : 'The table is full: you watch, and sit down when somebody leaves')
    + (watching ? `, ${watching} watching` : '')
}

function toggle(button, kind) {
  const isOff = button.getAttribute('aria-pressed') != 'true'
  button.setAttribute('aria-pressed', isOff)
  for (const track of stream?.getTracks() ?? []) if (track.kind == kind) track.enabled = !isOff
}
$('sound').onclick = event => toggle(event.currentTarget, 'audio')
$('picture').onclick = event => toggle(event.currentTarget, 'video')

addEventListener('pagehide', () => {
  mesh.goodbye()
  talk.close()
})

// What the tests look at.
window.conference = { mesh, roster, watched, client: carillon, get isSeated() { return isSeated } }
