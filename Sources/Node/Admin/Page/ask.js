// Questions before something is done that cannot be undone, and the help.
import { el } from './dom.js'

let number = 0

/**
 * Asks before something is done. `consequences` are sentences that say what will happen.
 * Resolves to true when it is to be done.
 */
export function confirm({ title, consequences, act }) {
  number += 1
  const titleID = `question-${number}`
  const textID = `question-text-${number}`
  return new Promise(resolve => {
    const dialog = el('dialog', { 'aria-labelledby': titleID, 'aria-describedby': textID },
      el('form', { method: 'dialog' },
        el('h2', { id: titleID }, ...title),
        el('ul', { id: textID }, consequences.map(text => el('li', {}, text))),
        el('p', { class: 'buttons' },
          el('button', { value: 'no', class: 'quiet', autofocus: true }, 'Cancel'),
          el('button', { value: 'yes', class: 'danger' }, act))))
    open(dialog, () => resolve(dialog.returnValue === 'yes'))
  })
}

/** Shows a dialog over the page until it is closed. */
export function open(dialog, closed = () => {}) {
  const before = document.activeElement
  dialog.addEventListener('close', () => {
    dialog.remove()
    before?.focus?.()
    closed()
  })
  dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close('') })
  document.body.append(dialog)
  dialog.showModal()
}
