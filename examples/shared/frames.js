// Pictures of a camera as binary publications on a channel whose rule says `slow: latest`. Each picture stands for itself, so a viewer
// may begin with any, and one that is slow gets fewer pictures and not later ones. The raw dialect carries them byte for byte.
//
// A frame is a header and a picture. The header, in network byte order: kind (1 byte: 1 is an image file, 2 a VP8 key frame), 3 bytes of
// zero, sender (4), sequence (4), width and height (2 each), time (8, a double: milliseconds since 1970 by the common clock).
import { now } from './clock.js'

export const HEADER = 24
const IMAGE = 1, VP8 = 2
const MOST = 60_000                             // bytes: limits.message_bytes is 64 KiB by default

function header(kind, sender, sequence, width, height, time) {
  const view = new DataView(new ArrayBuffer(HEADER))
  view.setUint8(0, kind)
  view.setUint32(4, sender)
  view.setUint32(8, sequence)
  view.setUint16(12, width)
  view.setUint16(14, height)
  view.setFloat64(16, time)
  return view.buffer
}

/** What a frame says of itself; null for what is none. */
export function read(buffer) {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength <= HEADER) return null
  const view = new DataView(buffer)
  return {
    kind: view.getUint8(0), sender: view.getUint32(4), sequence: view.getUint32(8), width: view.getUint16(12),
    height: view.getUint16(14), time: view.getFloat64(16), picture: new Uint8Array(buffer, HEADER) }
}

/** Sends the pictures of a video track, so many a second, until it is stopped or the track ends. */
export class FrameSender {
  sender = crypto.getRandomValues(new Uint32Array(1))[0]
  sent = 0
  /** Pictures that were not sent because the network did not take them. */
  skipped = 0
  bytes = 0
  /** How they are made: 'WebCodecs' or 'images'. */
  kind = ''

  #socket
  #isStopped = false
  #quality = 0.6

  /** @param {(time: number) => WebSocket} socket what takes the frames at the moment */
  constructor(track, socket, { width = 640, rate = 30, codecs = true } = {}) {
    this.#socket = socket
    const camera = track.getSettings()
    // Even numbers, which VP8 wants, in the camera's proportions.
    const height = 2 * Math.round(width * (camera.height || 9) / (camera.width || 16) / 2)
    const size = { width, height }
    if (codecs && 'VideoEncoder' in self && 'MediaStreamTrackProcessor' in self) this.#encode(track, size, rate)
    else this.#draw(track, size, rate)
  }

  stop() { this.#isStopped = true }

  /** Frames that wait here are late already: it is better to leave one out. */
  get #isReady() {
    const socket = this.#socket()
    if (socket?.readyState != WebSocket.OPEN) return false
    if (socket.bufferedAmount < MOST) return true
    this.skipped++
    return false
  }

  #send(kind, picture, { width, height }, time) {
    const socket = this.#socket()
    if (this.#isStopped || socket?.readyState != WebSocket.OPEN || picture.byteLength > MOST) return
    const frame = new Uint8Array(HEADER + picture.byteLength)
    frame.set(new Uint8Array(header(kind, this.sender, this.sent++, width, height, time)))
    frame.set(new Uint8Array(picture), HEADER)
    this.bytes += frame.byteLength
    socket.send(frame)
  }

  /** WebCodecs: the track's own pictures, each encoded as a key frame. */
  async #encode(track, size, rate) {
    this.kind = 'WebCodecs'
    const times = new Map()
    const encoder = new VideoEncoder({
      output: chunk => {
        const picture = new ArrayBuffer(chunk.byteLength)
        chunk.copyTo(picture)
        this.#send(VP8, picture, size, times.get(chunk.timestamp) ?? now())
        // Those of pictures that the encoder left out are older.
        for (const timestamp of times.keys()) if (timestamp <= chunk.timestamp) times.delete(timestamp)
      },
      error: () => { if (!this.#isStopped) this.#draw(track, size, rate) } })
    // 20 kB a picture at the full size.
    const bitrate = Math.round(size.width * size.height * rate * 0.7)
    encoder.configure({ codec: 'vp8', ...size, bitrate, framerate: rate, latencyMode: 'realtime' })
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader()
    let due = 0
    while (!this.#isStopped && encoder.state == 'configured') {
      const { value: frame, done } = await reader.read()
      if (done) break
      const time = now()
      if (time >= due && encoder.encodeQueueSize < 2 && this.#isReady) {
        due = Math.max(due + 1000 / rate, time - 1000 / rate)
        times.set(frame.timestamp, time)
        encoder.encode(frame, { keyFrame: true })
      }
      frame.close()
    }
    reader.cancel().catch(() => {})
    if (encoder.state != 'closed') encoder.close()
  }

  /** Without WebCodecs: a canvas, and files of images. */
  async #draw(track, size, rate) {
    this.kind = 'images'
    const video = Object.assign(document.createElement('video'), { srcObject: new MediaStream([track]), muted: true, playsInline: true })
    await video.play()
    const canvas = Object.assign(document.createElement('canvas'), size), context = canvas.getContext('2d')
    let isBusy = false
    const timer = setInterval(() => {
      if (this.#isStopped || track.readyState == 'ended') return clearInterval(timer)
      if (isBusy || !this.#isReady) return
      isBusy = true
      const time = now()
      context.drawImage(video, 0, 0, size.width, size.height)
      canvas.toBlob(async blob => {
        isBusy = false
        if (!blob) return
        // Worse pictures where they would be too large, and better ones where there is room.
        this.#quality = Math.min(0.8, Math.max(0.2, this.#quality + (blob.size > 22_000 ? -0.04 : blob.size < 18_000 ? 0.02 : 0)))
        this.#send(IMAGE, await blob.arrayBuffer(), size, time)
      }, 'image/jpeg', this.#quality)
    }, 1000 / rate)
  }
}

/** Shows frames in a canvas: always the newest, whatever order decoding takes. */
export class FrameView {
  /** Frames that came, were shown, and that came to others and not here (`slow: latest`, or the camera's network). */
  came = 0
  shown = 0
  missed = 0
  /** Milliseconds from the camera to the canvas, of the newest frames. */
  delays = []

  #canvas
  #context
  #decoder = null
  #last = null
  #newest = -1
  #times = new Map()

  constructor(canvas) {
    this.#canvas = canvas
    this.#context = canvas.getContext('2d')
  }

  take(buffer) {
    const frame = read(buffer)
    if (!frame) return null
    this.came++
    if (this.#last?.sender == frame.sender) {
      // After a reconnect a camera's picture may come again, as the one that greets those who come late.
      if (frame.sequence <= this.#last.sequence) return frame
      this.missed += frame.sequence - this.#last.sequence - 1
    } else {
      this.#newest = -1
    }
    this.#last = frame
    if (frame.kind == IMAGE) this.#image(frame)
    else if (frame.kind == VP8) this.#chunk(frame)
    return frame
  }

  /** Milliseconds: the middle of the newest delays, and what 99 of 100 do not exceed. */
  get delay() {
    const sorted = [...this.delays].sort((a, b) => a - b), at = part => sorted[Math.floor((sorted.length - 1) * part)] ?? null
    return { p50: at(0.5), p99: at(0.99) }
  }

  async #image(frame) {
    const picture = await createImageBitmap(new Blob([frame.picture])).catch(() => null)
    if (picture) this.#show(picture, frame)
  }

  #chunk(frame) {
    if (!('VideoDecoder' in self)) return
    if (this.#decoder?.state != 'configured') {
      this.#decoder = new VideoDecoder({ output: picture => this.#show(picture, this.#times.get(picture.timestamp)), error: () => {} })
      this.#decoder.configure({ codec: 'vp8', optimizeForLatency: true })
      this.#times.clear()
    }
    // A browser that does not keep up leaves frames out, too.
    if (this.#decoder.decodeQueueSize > 2) return
    const timestamp = frame.sequence * 1000
    this.#times.set(timestamp, frame)
    this.#decoder.decode(new EncodedVideoChunk({ type: 'key', timestamp, data: frame.picture }))
  }

  #show(picture, frame) {
    if (frame && frame.sender == this.#last.sender && frame.sequence > this.#newest) {
      if (this.#canvas.width != frame.width || this.#canvas.height != frame.height) {
        this.#canvas.width = frame.width
        this.#canvas.height = frame.height
      }
      this.#context.drawImage(picture, 0, 0, frame.width, frame.height)
      this.#newest = frame.sequence
      // The first picture greets who comes late, and may be old.
      if (this.shown++) this.delays.push(now() - frame.time)
      if (this.delays.length > 150) this.delays.shift()
    }
    if (frame) this.#times.delete(frame.sequence * 1000)
    picture.close()
  }
}
