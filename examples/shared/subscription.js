// A channel of a client (carillon.js), with its position: after a reconnect it asks for what it missed.

/** Why a command was refused: `code` is the protocol's. */
export class Refusal extends Error {
  constructor({ code, message, temporary }) {
    super(message)
    this.code = code
    this.temporary = temporary ?? false
  }
}

/** One channel of a client. */
export class Subscription {
  isSubscribed = false
  #client
  #handlers
  #position = null

  constructor(client, channel, handlers) {
    this.#client = client
    this.channel = channel
    this.#handlers = handlers
  }

  publish(data) { return this.#client.command({ publish: { channel: this.channel, data } }) }

  /** The newest publications, oldest first. */
  async newest(limit) {
    const page = await this.#client.command({ history: { channel: this.channel, limit, reverse: true } })
    return (page.publications ?? []).reverse()
  }

  /** Who is subscribed: a list of `{user, client, conn_info}`, one for each connection. */
  async present() {
    return Object.values((await this.#client.command({ presence: { channel: this.channel } })).presence ?? {})
  }

  /** How many are: `{num_clients, num_users}`. */
  count() { return this.#client.command({ presence_stats: { channel: this.channel } }) }

  close() {
    this._end()
    this.#client._forget(this.channel)
  }

  async _begin() {
    const at = this.#position
    try {
      const reply = await this.#client.command({
        subscribe: { channel: this.channel, ...(at ? { recover: true, epoch: at.epoch, offset: at.offset } : {}) } })
      this.isSubscribed = true
      if (reply.recoverable && !(at && reply.recovered)) this.#position = { epoch: reply.epoch, offset: reply.offset ?? 0 }
      this.#handlers.subscribed?.({ recovered: Boolean(reply.recovered), wasRecovering: Boolean(at) })
      for (const publication of reply.publications ?? []) this.#came(publication)
      if (at && reply.recovered && reply.epoch) this.#position = { epoch: reply.epoch, offset: reply.offset ?? this.#position.offset }
    } catch (error) {
      if (!(error instanceof Refusal)) return
      if (error.temporary) setTimeout(() => { if (this.#client.state == 'connected' && !this.isSubscribed) this._begin() }, 1000)
      else this.#handlers.refused?.(error)
    }
  }

  _end() { this.isSubscribed = false }

  _take(push) {
    if (push.pub) return this.#came(push.pub)
    if (push.join) return this.#handlers.join?.(push.join.info)
    if (push.leave) return this.#handlers.leave?.(push.leave.info)
    // From 2500 on the client is to subscribe again: publications are missing, or a token has expired.
    if (push.unsubscribe) {
      this._end()
      if (push.unsubscribe.code >= 2500) this._begin()
      else this.#handlers.refused?.(new Error(push.unsubscribe.reason))
    }
  }

  #came(publication) {
    if (this.#position && publication.offset) this.#position.offset = publication.offset
    if (this.#position && publication.epoch) this.#position.epoch = publication.epoch
    this.#handlers.publication?.(publication)
  }
}
