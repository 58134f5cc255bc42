// Prices a hundred times a second, as server-sent events on the channel `ticker`. A publication has all prices, so a newer one replaces
// the ones before it: in the node for a page that does not keep up, and here until the screen takes the next picture.
import { $, make, settings, status, url } from '/shared/page.js'

const SHOWN = 240                               // prices that a line shows
let newest = null, received = 0, drawn = 0, missed = 0, sequence = null, first = null
const rows = new Map()

fetch('/ticker/start', { method: 'POST' }).catch(() => {})
const events = new EventSource(url('http', '/sse', { channel: settings.ticker }))
events.onopen = () => status('connected', 'connected')
events.onerror = () => status('connecting', 'no connection: connecting …')
events.onmessage = event => {
  const quote = JSON.parse(event.data)
  received++
  if (sequence !== null && quote.n > sequence + 1) missed += quote.n - sequence - 1
  sequence = quote.n
  newest = quote
}

function row(name) {
  const made = { price: make('td'), change: make('td'), line: make('canvas', { ariaHidden: 'true' }), prices: [], start: null }
  made.row = make('tr', {}, make('td', {}, name), made.price, made.change, make('td', {}, made.line))
  $('prices').append(made.row)
  rows.set(name, made)
  return made
}

/** Draws what is newest, once for each picture of the screen. */
function draw() {
  requestAnimationFrame(draw)
  if (!newest || newest == first) return
  first = newest
  drawn++
  for (const [name, price] of Object.entries(newest.prices)) {
    const shown = rows.get(name) ?? row(name)
    shown.start ??= price
    shown.prices.push(price)
    if (shown.prices.length > SHOWN) shown.prices.shift()
    const change = (price / shown.start - 1) * 100
    shown.price.textContent = price.toFixed(2)
    shown.change.textContent = `${change >= 0 ? '+' : '−'}${Math.abs(change).toFixed(2)} %`
    shown.change.className = change >= 0 ? 'up' : 'down'
    sketch(shown.line, shown.prices, getComputedStyle(shown.change).color)
  }
}

function sketch(canvas, prices, stroke) {
  const width = canvas.width = canvas.clientWidth * devicePixelRatio, height = canvas.height = canvas.clientHeight * devicePixelRatio
  const least = Math.min(...prices), most = Math.max(...prices), context = canvas.getContext('2d')
  context.strokeStyle = stroke
  context.lineWidth = 1.5 * devicePixelRatio
  context.beginPath()
  prices.forEach((price, index) => context.lineTo(
    width * (index + SHOWN - prices.length) / (SHOWN - 1), height * (0.9 - 0.8 * (price - least) / (most - least || 1))))
  context.stroke()
}

let before = { received: 0, drawn: 0, sequence: null }
setInterval(() => {
  $('received').textContent = received - before.received
  $('drawn').textContent = drawn - before.drawn
  $('published').textContent = before.sequence === null ? '–' : sequence - before.sequence
  $('missed').textContent = missed
  before = { received, drawn, sequence }
}, 1000)
requestAnimationFrame(draw)

// What the tests look at.
window.ticker = { events, get newest() { return newest }, get received() { return received }, get drawn() { return drawn }, get missed() { return missed } }
