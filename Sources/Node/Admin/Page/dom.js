// Builds elements. Everything that is shown comes in as text nodes, so no name or payload is ever read as HTML; the page's
// Content-Security-Policy (require-trusted-types-for) has the browser refuse anything else.

/** An element. `attributes`: `on…` are listeners, true is an attribute without a value, null and false are left out. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children)
}

/** An element of an SVG drawing. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children)
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value == null || value === false) continue
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value)
    else element.setAttribute(key, value === true ? '' : String(value))
  }
  append(element, children)
  return element
}

function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child)
    else if (child != null && child !== false) element.append(child)
  }
}

/** Puts children in the place of what an element has. */
export function put(element, ...children) {
  element.replaceChildren()
  append(element, children)
  return element
}

/** Sets a text only where it changed, so that a selection is kept and a screen reader says nothing twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

// Characters that cannot be seen, or that change the direction of what follows: control characters, soft hyphen, zero widths,
// bidirectional marks, invisible operators, byte order mark, variation selectors and tags.
const unseen =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu

/** How a character that cannot be seen is written: ⟨U+202E⟩. */
export function mark(character) {
  return '⟨U+' + character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0') + '⟩'
}

/** A text of somebody else, on one line, as it can be seen: what is invisible in it is written out. */
export function visible(text) {
  return String(text).replace(unseen, mark)
}

/** A name that somebody else chose (channel, user, node), isolated from the direction of the text around it. */
export function foreign(text, attributes = {}) {
  const name = el('bdi', { class: 'foreign', ...attributes })
  let end = 0
  for (const match of String(text).matchAll(unseen)) {
    name.append(text.slice(end, match.index), el('span', { class: 'unseen' }, mark(match[0])))
    end = match.index + match[0].length
  }
  name.append(String(text).slice(end))
  return name
}

/** A link to a place of the page. */
export function link(address, ...children) {
  return el('a', { href: address }, ...children)
}

/** Words with a coloured dot: the state is in the words, the colour repeats it. `kind`: good, warn, bad or off. */
export function state(kind, text) {
  return el('span', { class: `state ${kind}` }, el('span', { class: 'dot', 'aria-hidden': 'true' }), text)
}

/** One line in a view: why something is not there. */
export function note(text, kind = '') {
  return el('p', { class: `note ${kind}` }, text)
}

/** A part of a view with a heading. */
export function section(title, ...children) {
  const id = 'part-' + title.toLowerCase().replace(/[^a-z]+/g, '-')
  return el('section', { 'aria-labelledby': id }, el('h2', { id }, title), ...children)
}

/** A field with its label. */
export function field(label, control) {
  return el('label', { class: 'field' }, el('span', {}, label), control)
}

/** A choice of one: `[[value, words], …]`. */
export function choice(attributes, options, chosen) {
  return el('select', attributes, options.map(([value, words]) =>
    el('option', { value, selected: value === (chosen ?? '') }, words)))
}
