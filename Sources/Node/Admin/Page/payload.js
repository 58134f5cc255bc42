// Payloads as people can read them: JSON indented, text as it is, binary as hex; large ones cut until all is asked for.
import { el, mark, put } from './dom.js'
import { bytes, count } from './format.js'

/** What is shown of a payload at first: characters of text, bytes of binary. */
const most = { text: 2000, binary: 256 }

/** What cannot be seen in a text of several lines. Line ends and tabs stay. */
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]/gu

/**
 * A payload. `text` or `base64` is what there is of it, `size` how many bytes it has in all, `cut` whether the node left out
 * the rest.
 */
export function payload({ text, base64, size, cut }) {
  const place = el('div', { class: 'payload' })
  if (base64 != null) showBinary(place, decoded(base64), size, cut)
  else showText(place, text ?? '', size, cut)
  return place
}

function decoded(base64) {
  try { return Uint8Array.from(atob(base64), character => character.charCodeAt(0)) } catch { return new Uint8Array() }
}

function showText(place, text, size, cut, whole = false) {
  const pretty = cut ? null : indented(text)
  const shown = pretty ?? text
  // Not between the halves of a character.
  const part = whole || shown.length <= most.text ? shown : shown.slice(0, most.text).replace(/[\ud800-\udbff]$/, '')
  const all = new TextEncoder().encode(text).length
  put(place, el('pre', { dir: 'auto', tabindex: part.length > 300 ? '0' : null, role: part.length > 300 ? 'region' : null,
    'aria-label': part.length > 300 ? 'Payload' : null }, marked(part) ))
  finish(place, {
    kind: pretty != null ? 'JSON' : 'text', size: size ?? all, cut,
    rest: part.length < shown.length ? () => showText(place, text, size, cut, true) : null,
  })
}

function showBinary(place, data, size, cut, whole = false) {
  const part = whole ? data : data.subarray(0, most.binary)
  put(place, el('pre', { class: 'hex' }, hex(part)))
  finish(place, {
    kind: 'binary', size: size ?? data.length, cut,
    rest: part.length < data.length ? () => showBinary(place, data, size, cut, true) : null,
  })
}

function finish(place, { kind, size, cut, rest }) {
  place.append(el('p', { class: 'payload-foot' }, `${kind}, ${size < 1000 ? `${count(size)} B` : bytes(size)}`,
    cut ? ' – only the beginning: the node cut the rest' : null,
    rest ? el('button', { type: 'button', class: 'small', onclick: rest }, 'Show all of it') : null))
}

function marked(text) {
  const parts = []
  let end = 0
  for (const match of text.matchAll(unseen)) {
    parts.push(text.slice(end, match.index), el('span', { class: 'unseen' }, mark(match[0])))
    end = match.index + match[0].length
  }
  parts.push(text.slice(end))
  return parts
}

/** Rows of an offset, bytes and what they are in ASCII; short rows where the screen is narrow. */
export function hex(data, width = matchMedia('(max-width: 699px)').matches ? 8 : 16) {
  const rows = []
  for (let at = 0; at < data.length; at += width) {
    const row = [...data.subarray(at, at + width)]
    const codes = row.map(byte => byte.toString(16).padStart(2, '0')).join(' ')
    const letters = row.map(byte => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.').join('')
    rows.push(`${at.toString(16).padStart(4, '0')}  ${codes.padEnd(width * 3 - 1)}  ${letters}`)
  }
  return rows.join('\n')
}

/** JSON with line ends and indentation, every number and string spelled as it was; null for what is no object or list. */
export function indented(text) {
  if (!/^\s*[[{]/.test(text) || text.length > 1_000_000) return null
  try { JSON.parse(text) } catch { return null }
  let result = ''
  let depth = 0
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[^\s"{}[\],:]+|[{}[\],:]/gs) ?? []
  tokens.forEach((token, index) => {
    const line = () => '\n' + '  '.repeat(depth)
    if (token === '{' || token === '[') {
      result += token
      depth += 1
      if (!/^[}\]]$/.test(tokens[index + 1])) result += line()
    } else if (token === '}' || token === ']') {
      depth -= 1
      result += /^[{[]$/.test(tokens[index - 1]) ? token : line() + token
    } else if (token === ',') result += token + line()
    else result += token === ':' ? ': ' : token
  })
  return result
}
