// The participants of a room who are connected with each other, each with each. What they tell each other first are publications in the
// room. A message says `from` which load of the page it is, so that a page that was loaded again is another peer; what is meant for one
// participant says also `to` whom, `at` which load of that one's page, and in which `call`.
import { Peer } from './peers.js'

const ASKED = 2000, PATIENCE = 10_000           // milliseconds: between two questions, and until a call is tried again

export class Mesh {
  /** By user: `{peer, instance, call, since}`. */
  peers = new Map()

  #me
  #instance
  #stream
  #publish
  #changed
  #wanted = new Set()
  #calls = 0

  /**
   * @param {string} me this user
   * @param {string} instance this load of the page, a name that no other one has
   * @param {MediaStream|null} stream what the others get
   * @param {(data: object) => void} publish publishes in the room
   * @param {() => void} changed called when a peer came, went or changed
   */
  constructor(me, instance, stream, publish, changed) {
    this.#me = me
    this.#instance = instance
    this.#stream = stream
    this.#publish = publish
    this.#changed = changed
    setInterval(() => this.#ask(), ASKED)
  }

  /** These are to be connected with this page, and nobody else; it is called again when they change. */
  want(users) {
    this.#wanted = new Set(users.filter(user => user != this.#me))
    for (const user of this.peers.keys()) if (!this.#wanted.has(user)) this.drop(user)
    this.#ask()
  }

  /** Asks to be called, while somebody is missing. Whoever did not want this page at the time of a question hears the next one. */
  #ask() {
    for (const [user, { peer, since }] of this.peers)
      if (peer.state != 'connected' && performance.now() - since > PATIENCE) this.drop(user)
    if ([...this.#wanted].some(user => !this.peers.has(user))) this.#publish({ hello: true, from: this.#instance })
  }

  goodbye() {
    this.#publish({ bye: true, from: this.#instance })
    this.want([])
  }

  /** A message of the room came from a user: the node says who it is, so nobody speaks for another. */
  take(user, data) {
    if (!this.#wanted.has(user) || typeof data?.from != 'string') return
    const known = this.peers.get(user), isSame = known?.instance == data.from
    if (data.bye) return isSame ? this.drop(user) : undefined
    if (data.hello) {
      if (!isSame || known.peer.state != 'connected') this.#call(user, data.from, `${this.#instance} ${++this.#calls}`)
      return
    }
    if (data.to != this.#me || data.at != this.#instance) return
    if (isSame && known.call == data.call) return known.peer.take(data)
    if (data.description?.type != 'offer') return
    // Both have called: then the call goes on of the one whose name is greater.
    if (isSame && known.peer.state != 'connected' && this.#me > user) return
    this.#call(user, data.from, data.call, false).take(data)
  }

  #call(user, instance, call, isCaller = true) {
    this.peers.get(user)?.peer.close()
    const send = message => this.#publish({ to: user, at: instance, from: this.#instance, call, ...message })
    // Of the two, the one that was called gives way when both change something at once.
    const peer = new Peer(!isCaller, this.#stream, send, () => this.#changed())
    this.peers.set(user, { peer, instance, call, since: performance.now() })
    this.#changed()
    return peer
  }

  drop(user) {
    this.peers.get(user)?.peer.close()
    if (this.peers.delete(user)) this.#changed()
  }
}
