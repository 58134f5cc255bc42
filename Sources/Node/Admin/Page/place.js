// Where one is: the part of the address behind #, so that every place can be shared: #/connections?user=ann&sort=backlog

/** A place in an address: its view, what the view is about, and the query. */
export function read(hash) {
  const [path, query = ''] = split(hash.replace(/^#\/?/, ''))
  const [view, ...rest] = path.split('/')
  let id = rest.join('/')
  // What is no percent-encoding is meant as it stands.
  try { id = decodeURIComponent(id) } catch { /* As it is. */ }
  return { view: view || 'overview', id, query: Object.fromEntries(new URLSearchParams(query)) }
}

function split(text) {
  const at = text.indexOf('?')
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

/** The address of a place. Entries of the query without a value are left out. */
export function to(view, id = '', query = {}) {
  const known = Object.entries(query).filter(([, value]) => value != null && value !== '')
  const text = new URLSearchParams(known).toString()
  return `#/${view}${id ? '/' + encodeURIComponent(id.toWellFormed()) : ''}${text ? '?' + text : ''}`
}

export function go(view, id, query) {
  location.hash = to(view, id, query)
}
