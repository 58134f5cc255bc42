// One camera to many: pictures as binary publications on `camera:STUDIO`, whose rule says `slow: latest` and `cache: true`. The camera's
// page shows its own pictures as they come back, so its delay is the way to the node, through Redis, and back.
import { $, client, devices, me, notice, parameter, room, token, url } from '/shared/page.js'
import { now, synchronise } from '/shared/clock.js'
import { FrameSender, FrameView, read } from '/shared/frames.js'
import { RawLink } from '/shared/link.js'

const RATE = parameter('rate', 30, 1, 60), USES_CODECS = new URLSearchParams(location.search).get('codecs') != 'no'
const studio = room('studio'), channel = `camera:${studio}`
addEventListener('hashchange', () => location.reload())
$('place').textContent = `studio: ${studio}`

await synchronise().catch(() => {})
const view = new FrameView($('view'))
let newest = -Infinity, sending = null
const isLive = () => now() - newest < 3000

/** Where the pictures come, and where this page's camera sends them. */
const link = new RawLink(async () => url('ws', '/raw', { channel, token: await token() }), data => {
  const frame = view.take(data)
  if (!frame) return
  newest = frame.time
  // Two cameras in one studio would make the picture jump.
  if (sending && frame.sender != sending.frames.sender) stop('Somebody else is live in this studio. Add another name behind the # of the address.')
})

// How many watch: presence counts without listing anybody.
const carillon = client()
const audience = carillon.subscribe(`audience:${studio}`, { subscribed: count })
async function count() {
  const { num_clients: all } = await audience.count().catch(() => ({}))
  // The camera's own page is not among them.
  if (all) $('watching').textContent = Math.max(0, all - (isLive() ? 1 : 0))
}
setInterval(() => { if (audience.isSubscribed && !document.hidden) count() }, 2000)

let shownBefore = 0, checked = performance.now()
setInterval(() => {
  const seconds = (performance.now() - checked) / 1000, { p50, p99 } = view.delay
  checked = performance.now()
  $('rate').textContent = isLive() ? ((view.shown - shownBefore) / seconds).toFixed(1) : '–'
  shownBefore = view.shown
  $('p50').textContent = isLive() && p50 !== null ? `${Math.max(0, p50).toFixed(0)} ms` : '–'
  $('p99').textContent = isLive() && p99 !== null ? `${Math.max(0, p99).toFixed(0)} ms` : '–'
  $('missed').textContent = view.missed
  $('hint').hidden = view.shown > 0
  $('hint').textContent = sending ? 'The first picture is on its way …' : 'Nobody is live here yet. Pictures appear as soon as somebody is.'
  $('how').textContent = sending ? `live (${sending.frames.kind}): ${sending.frames.sent} ${sending.frames.sent === 1 ? 'picture' : 'pictures'}, `
      + `${(sending.frames.bytes / Math.max(1, sending.frames.sent) / 1000).toFixed(1)} kB each`
    : isLive() ? 'live' : view.shown ? 'the last picture; the camera is off' : ''
}, 500)

async function start() {
  if (sending) return stop('')
  if (isLive()) return notice('Somebody is live in this studio already. Add another name behind the # of the address.')
  const stream = await devices({ video: { width: 640, height: 360, frameRate: RATE } })
  if (!stream) return
  notice('')
  const [track] = stream.getVideoTracks()
  track.onended = () => stop('The camera is gone.')
  sending = { stream, frames: new FrameSender(track, () => link.socket, { rate: RATE, codecs: USES_CODECS }) }
  $('live').textContent = 'Stop'
}

function stop(why) {
  sending?.frames.stop()
  sending?.stream.getTracks().forEach(track => track.stop())
  sending = null
  $('live').textContent = 'Go live with this camera'
  notice(why)
}
$('live').onclick = start

// What the tests look at.
window.broadcast = { view, read, me, link, client: carillon, get sending() { return sending } }
