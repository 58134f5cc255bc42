// Terms and what they are, brought up to date in place.
import { el, put } from './dom.js'

/** `entries`: `[term, value]`, the value a text or an element; those without a value are left out. */
export function showFacts(place, entries) {
  const known = place.known ?? new Map()
  place.known = known
  let list = place.querySelector('dl')
  if (!list) {
    list = el('dl', { class: 'facts' })
    place.append(list)
  }
  const some = entries.filter(entry => entry && entry[1] != null && entry[1] !== '')
  const order = some.map(entry => entry[0]).join('\n')
  if (place.order !== order) {
    place.order = order
    known.clear()
    put(list, some.map(([term]) => {
      const value = el('dd')
      known.set(term, { value, text: null })
      return el('div', {}, el('dt', {}, term), value)
    }))
  }
  for (const [term, value] of some) {
    const entry = known.get(term)
    const text = value instanceof Element ? value.outerHTML : String(value)
    if (entry.text === text) continue
    entry.text = text
    put(entry.value, value)
  }
}
