// A small client of Carillon's centrifuge dialect (JSON): connects, reconnects, subscribes, and recovers what it missed.
// docs/dialects/centrifuge.md describes what goes over the wire. Applications usually take an SDK; this file shows that none is needed.
import { Refusal, Subscription } from './subscription.js'

export { Refusal }

const FIRST_WAIT = 250, LONGEST_WAIT = 10_000   // milliseconds before the next attempt to connect
const REPLY_WAIT = 10_000                       // milliseconds to wait for the reply to a command

/**
 * One connection, made again whenever it breaks.
 *
 * Events: `state` when `state` has changed, which is 'connecting', 'connected', 'offline' or 'closed'.
 */
export class Client extends EventTarget {
  state = 'closed'
  /** Why it is not connected, for people. */
  reason = ''
  /** This connection, as the others see it; another one after each reconnect. It begins with the node's id. */
  id = null

  #url
  #token
  #socket = null
  #subscriptions = new Map()
  #waiting = new Map()
  #number = 0
  #attempts = 0
  #timer = null
  #silence = null
  #refresh = null

  /**
   * @param {string} url `ws://HOST/connection/websocket`
   * @param {() => Promise<string|null>} token makes a token for this user, each time one is needed
   */
  constructor(url, token = async () => null) {
    super()
    this.#url = url
    this.#token = token
    addEventListener('offline', () => this.#lost('the network is gone', true))
    addEventListener('online', () => { if (this.state == 'offline') this.#open() })
  }

  /** The node it is connected to, by the first digits of its id. */
  get node() { return this.id?.slice(0, 16) ?? null }

  connect() { if (this.state == 'closed') this.#open() }

  close() {
    this.#lost('', false)
    clearTimeout(this.#timer)
    this.#become('closed')
  }

  /** Gives up the connection as if it had broken. */
  reconnect() { this.#lost('reconnecting', navigator.onLine === false) }

  /**
   * Subscribes to a channel, again after each reconnect.
   *
   * `handlers` has any of: `subscribed({recovered})` before anything that follows, `publication({data, info, offset, time})`,
   * `join(info)`, `leave(info)`, and `refused(error)`. `info` has `user`, `client` and, from the token, `conn_info`.
   */
  subscribe(channel, handlers) {
    const subscription = new Subscription(this, channel, handlers)
    this.#subscriptions.set(channel, subscription)
    if (this.state == 'connected') subscription._begin()
    return subscription
  }

  _forget(channel) {
    this.#subscriptions.delete(channel)
    if (this.state == 'connected') this.command({ unsubscribe: { channel } }).catch(() => {})
  }

  /** Sends one command and waits for its reply: the part of it that has the command's name. */
  command(body) {
    if (this.#socket?.readyState != WebSocket.OPEN) return Promise.reject(new Error('not connected'))
    const id = ++this.#number, [name] = Object.keys(body)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { this.#waiting.delete(id); reject(new Error(`no reply to ${name}`)) }, REPLY_WAIT)
      this.#waiting.set(id, reply => {
        clearTimeout(timer)
        if (!reply) reject(new Error('the connection broke'))
        else if (reply.error) reject(new Refusal(reply.error))
        else resolve(reply[name] ?? {})
      })
      this.#socket.send(JSON.stringify({ id, ...body }))
    })
  }

  #become(state, reason = '') {
    this.state = state
    this.reason = reason
    this.dispatchEvent(new Event('state'))
  }

  #open() {
    clearTimeout(this.#timer)
    if (navigator.onLine === false) return this.#become('offline', 'there is no network')
    this.#become('connecting', this.reason)
    const socket = this.#socket = new WebSocket(this.#url)
    // What comes of a connection that was given up is nobody's business any more.
    const ours = call => (...values) => { if (this.#socket === socket) return call(...values) }
    socket.onopen = ours(() => this.#login(socket))
    socket.onmessage = ours(async event => {
      for (const line of event.data.split('\n')) {
        if (line && this.#socket === socket) this.#take(JSON.parse(line))
        // Whoever waits for a reply goes on before what follows it is looked at.
        await null
      }
    })
    socket.onclose = ours(event => {
      // Codes that no new attempt would change (Centrifuge client protocol): the client has to be mended first.
      const isFinal = event.code >= 3500 && event.code < 4000 || event.code >= 4500 && event.code < 5000
      const reason = event.reason || 'no connection'
      if (!isFinal) return this.#lost(reason, false)
      this.#lost(reason, false)
      clearTimeout(this.#timer)
      this.#become('closed', reason)
    })
    this.#watch(15)
  }

  async #login(socket) {
    try {
      const token = await this.#token()
      if (this.#socket !== socket) return
      const reply = await this.command({ connect: token ? { token, name: 'examples' } : { name: 'examples' } })
      if (this.#socket !== socket) return
      this.id = reply.client
      this.#attempts = 0
      this.pings = reply.ping
      if (reply.expires) this.#renewIn(reply.ttl)
      this.#watch()
      for (const subscription of this.#subscriptions.values()) subscription._begin()
      this.#become('connected')
    } catch (error) {
      if (this.#socket === socket) this.#lost(error.message, false)
    }
  }

  /** The node says something every `ping` seconds; when it does not, the connection is dead even if nobody told us. */
  #watch(seconds = this.pings ? this.pings + 10 : 60) {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => this.#lost('the node is silent', false), seconds * 1000)
  }

  #renewIn(seconds) {
    clearTimeout(this.#refresh)
    this.#refresh = setTimeout(async () => {
      try {
        const reply = await this.command({ refresh: { token: await this.#token() } })
        if (reply.expires) this.#renewIn(reply.ttl)
      } catch { /* the node closes the connection, and the next one begins with a new token */ }
    }, Math.min(seconds, 86_400) * 1000)
  }

  #take(message) {
    this.#watch()
    if (message.id) {
      const done = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      done?.(message)
    } else if (message.push) {
      this.#subscriptions.get(message.push.channel)?._take(message.push)
    } else {
      this.#socket.send('{}')
    }
  }

  #lost(reason, isOffline) {
    const socket = this.#socket
    this.#socket = null
    socket?.close()
    clearTimeout(this.#silence)
    clearTimeout(this.#refresh)
    for (const done of this.#waiting.values()) done(null)
    this.#waiting.clear()
    for (const subscription of this.#subscriptions.values()) subscription._end()
    if (this.state == 'closed') return
    this.id = null
    clearTimeout(this.#timer)
    if (isOffline) return this.#become('offline', reason)
    // Twice as long each time, and never all clients at the same moment.
    const wait = Math.random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#attempts++)
    this.#become('connecting', reason)
    this.#timer = setTimeout(() => this.#open(), wait)
  }
}
