// Who is in a room, from presence: the list that a subscriber may ask for, and the joins and leaves that come after it.

/** Users of one channel whose rule has `presence: { join_leave: users }`. */
export class Roster {
  /** By user id: `{user, name, at, made}`, where `at` is when the user's token was first made, in milliseconds since 1970. */
  members = new Map()

  #changed
  #late = null

  /** @param {(roster: Roster) => void} changed called after each change */
  constructor(changed) { this.#changed = changed }

  /** Everybody, whoever came first at the front: all pages of the room have the same order. */
  get inOrder() {
    return [...this.members.values()].sort((a, b) => a.at - b.at || (a.user < b.user ? -1 : 1))
  }

  /** Reads the list. What happens meanwhile is newer than the list, and is done again behind it. */
  async read(subscription) {
    this.#late = []
    try {
      const present = await subscription.present()
      this.members = new Map()
      for (const info of present) this.#add(info)
      for (const [change, info] of this.#late) change == 'join' ? this.#add(info) : this.members.delete(info.user)
    } finally {
      this.#late = null
      this.#changed(this)
    }
  }

  join(info) {
    this.#late?.push(['join', info])
    if (this.#add(info)) this.#changed(this)
  }

  leave(info) {
    this.#late?.push(['leave', info])
    if (this.members.delete(info.user)) this.#changed(this)
  }

  /** A member said something, perhaps under a new name. */
  rename(info) { if (this.members.has(info.user)) this.join(info) }

  /** A user may have several connections, and those that are gone stay for a while: the newest token has the name that counts. */
  #add({ user, conn_info: known }) {
    const before = this.members.get(user)
    const member = { user, name: String(known?.name ?? user), at: Number(known?.at ?? 0), made: Number(known?.made ?? 0) }
    if (before?.made > member.made) return false
    this.members.set(user, member)
    return before?.name != member.name || before?.at != member.at
  }
}
