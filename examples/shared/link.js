// A WebSocket of the raw dialect that is made again whenever it breaks: frames are payloads, in and out.

/** Calls `took` with each payload, and `changed` with true when it is open and with false when it is not. */
export class RawLink {
  socket = null
  #url
  #took
  #changed
  #isClosed = false
  #attempts = 0

  /** @param {() => Promise<string>} url the address, with a new token each time */
  constructor(url, took, changed = () => {}) {
    this.#url = url
    this.#took = took
    this.#changed = changed
    this.#open()
  }

  close() {
    this.#isClosed = true
    this.socket?.close()
  }

  async #open() {
    if (this.#isClosed) return
    let socket
    try { socket = new WebSocket(await this.#url()) } catch { return this.#again() }
    if (this.#isClosed) return socket.close()
    this.socket = socket
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => { this.#attempts = 0; this.#changed(true) }
    socket.onmessage = event => this.#took(event.data)
    socket.onclose = event => {
      this.#changed(false, event.reason)
      this.#again()
    }
  }

  #again() {
    if (!this.#isClosed) setTimeout(() => this.#open(), Math.random() * Math.min(10_000, 250 * 2 ** this.#attempts++))
  }
}
