// Pictures and sound from one browser to another (WebRTC). What the two have to tell each other first goes through Carillon; the media
// do not. Without other hosts there is no STUN and no TURN: `servers` takes some for calls beyond one network.

export const servers = []

/**
 * One other participant. Both sides may begin at the same time: then the polite one gives way ("perfect negotiation", W3C WebRTC 10.1).
 */
export class Peer {
  /** What the other one sends. */
  stream = new MediaStream()
  state = 'new'

  #connection
  #send
  #isPolite
  #isOffering = false
  #isIgnoring = false
  #work = Promise.resolve()

  /**
   * @param {boolean} isPolite of two peers exactly one is
   * @param {MediaStream|null} stream what is sent
   * @param {(message: object) => void} send brings `{description}` or `{candidate}` to the other one
   * @param {(peer: Peer) => void} changed called when `state` or `stream` have changed
   */
  constructor(isPolite, stream, send, changed) {
    this.#isPolite = isPolite
    this.#send = send
    const connection = this.#connection = new RTCPeerConnection({ iceServers: servers })
    connection.onnegotiationneeded = () => this.#offer()
    connection.onicecandidate = ({ candidate }) => send({ candidate })
    connection.ontrack = ({ track }) => {
      this.stream.addTrack(track)
      changed(this)
    }
    connection.onconnectionstatechange = () => {
      this.state = connection.connectionState
      if (this.state == 'failed') connection.restartIce()
      changed(this)
    }
    if (stream) for (const track of stream.getTracks()) connection.addTrack(track, stream)
    else for (const kind of ['audio', 'video']) connection.addTransceiver(kind, { direction: 'recvonly' })
  }

  async #offer() {
    try {
      this.#isOffering = true
      await this.#connection.setLocalDescription()
      this.#send({ description: this.#connection.localDescription })
    } catch { /* it was closed meanwhile */ } finally {
      this.#isOffering = false
    }
  }

  /** What the other one sent, in its order. */
  take(message) {
    this.#work = this.#work.then(() => this.#take(message)).catch(() => {})
  }

  async #take({ description, candidate }) {
    const connection = this.#connection
    if (description) {
      const collides = description.type == 'offer' && (this.#isOffering || connection.signalingState != 'stable')
      this.#isIgnoring = !this.#isPolite && collides
      if (this.#isIgnoring) return
      await connection.setRemoteDescription(description)
      if (description.type == 'offer') {
        await connection.setLocalDescription()
        this.#send({ description: connection.localDescription })
      }
    } else if (candidate !== undefined) {
      try { await connection.addIceCandidate(candidate) } catch (error) { if (!this.#isIgnoring) throw error }
    }
  }

  /** Bytes and pictures that came so far, for those who want to see that it works. */
  async received() {
    let bytes = 0, frames = 0
    for (const report of (await this.#connection.getStats()).values()) {
      if (report.type != 'inbound-rtp') continue
      bytes += report.bytesReceived
      frames += report.framesDecoded ?? 0
    }
    return { bytes, frames }
  }

  close() {
    this.#connection.onconnectionstatechange = null
    this.#connection.close()
    this.state = 'closed'
  }
}
