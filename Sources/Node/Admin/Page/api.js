// Asks the node's API. Everything that the page shows comes from here, so everything can be had without the page.

/** The token, kept for this tab only. */
let token = sessionStorage.getItem('token') || ''

export function setToken(text) {
  token = text
  sessionStorage.setItem('token', text)
}

export function hasToken() {
  return token !== ''
}

/** Called when the node wants a token, or another one. */
export const door = { closed: () => {} }

/** What the node answers when it does not do what it is asked. */
export class Refusal extends Error {
  constructor(status, code, message) {
    super(message)
    this.status = status
    this.code = code
  }

  /** The node is of a version without this route or parameter. */
  get isUnknown() {
    return this.status === 405 || this.code === 'unknown_path' || this.code === 'unknown_parameter'
      || (this.code === 'invalid_parameter' && this.message.startsWith("'sort' has to be"))
  }
}

/** A path of the API; what is between its parts is escaped. */
export function path(...parts) {
  return 'api/v1/' + parts.map(encodeURIComponent).join('/')
}

/** Whether browsers can ask for a path with this name in it: they drop parts that are "." or "..". */
export function canBeAsked(name) {
  return name !== '.' && name !== '..' && name.isWellFormed()
}

function address(path, query) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value != null && value !== '')).toString()
  return text ? `${path}?${text}` : path
}

async function ask(method, path, { query = {}, body, signal, seconds = 10 } = {}) {
  const headers = {}
  if (token) headers.authorization = `Bearer ${token}`
  if (body !== undefined) headers['content-type'] = 'application/json'
  // A stream lives as long as its reader wants; everything else has a deadline.
  const signals = [signal, seconds ? AbortSignal.timeout(seconds * 1000) : null].filter(Boolean)
  const reply = await fetch(address(path, query), {
    method, headers, body, cache: 'no-store',
    credentials: 'omit', referrerPolicy: 'no-referrer', signal: signals.length ? AbortSignal.any(signals) : undefined,
  })
  if (reply.ok) return reply
  if (reply.status === 401) door.closed()
  const text = await reply.text()
  let error = null
  try { error = JSON.parse(text).error } catch { /* Not from the API. */ }
  throw new Refusal(reply.status, error?.code ?? '', error?.message ?? (text.slice(0, 300) || `status ${reply.status}`))
}

export async function get(path, query = {}, options = {}) {
  return (await ask('GET', path, { query, ...options })).json()
}

export async function post(path, body = {}) {
  return postText(path, JSON.stringify(body))
}

/** The same with a body that is JSON already. */
export async function postText(path, body) {
  return (await ask('POST', path, { body })).json()
}

/**
 * Reads an event stream (text/event-stream) until it ends or `signal` aborts it. EventSource cannot send a token.
 * Yields `{ event, data }`, data parsed.
 */
export async function* stream(path, query, signal) {
  const reply = await ask('GET', path, { query, signal, seconds: 0 })
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      rest += value
      const blocks = rest.split(/\r?\n\r?\n/)
      rest = blocks.pop()
      for (const block of blocks) {
        const event = parse(block)
        if (event) yield event
      }
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}

function parse(block) {
  let event = 'message'
  const data = []
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith('event:')) event = line.slice(6).trim()
    else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
  }
  if (data.length === 0) return null
  try { return { event, data: JSON.parse(data.join('\n')) } } catch { return { event, data: data.join('\n') } }
}

/** What went wrong, in one sentence. `what`: the thing that was asked for. */
export function explain(error, what) {
  if (error instanceof Refusal) {
    if (error.isUnknown) return `The node that serves this page is of a version without ${what}.`
    return `${what[0].toUpperCase()}${what.slice(1)}: ${error.message}`
  }
  if (error.name === 'TimeoutError') return `The node did not answer in time for ${what}.`
  return `The node did not answer for ${what} (${error.message}).`
}
