// Looks at the cluster once a second, for all views: one small request, whatever is shown.
import { Refusal, explain, get, hasToken, path } from './api.js'
import { count, things, time } from './format.js'

/** What is drawn of each node, as a beat of it says it. */
const measures = {
  sessions: summary => summary.sessions,
  publications: summary => summary.rates.publications,
  deliveries: summary => summary.rates.deliveries,
  backlog: summary => summary.backlog_bytes,
  roundTrip: summary => summary.link.round_trip_us ?? null,
}
const inSeries = {
  sessions: 'sessions', publications: 'publications_per_s', deliveries: 'deliveries_per_s', backlog: 'backlog_bytes',
  roundTrip: 'round_trip_us',
}

/** Seconds that are kept and drawn. */
export const span = 600

class Watch extends EventTarget {
  constructor() {
    super()
    this.report = null
    this.problems = null
    /** When the node answered last, in milliseconds since 1970. */
    this.heard = null
    this.failure = null
    this.locked = false
    /** By node id: { name, seconds: Map of a second to the values of that second }. */
    this.series = new Map()
    /** What happened lately, newest first: { time, node, severity, text }. */
    this.events = []
    this.problemsAreUnknown = false
    this.turn = 0
    this.busy = new Set()
  }

  start() {
    const tick = async () => {
      if (document.visibilityState === 'visible') await this.look()
      this.timer = setTimeout(tick, 1000)
    }
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState !== 'visible') return
      // What was missed meanwhile, the nodes have kept.
      this.turn = 0
      this.again()
    })
    this.again = () => { clearTimeout(this.timer); tick() }
    tick()
  }

  async look() {
    try {
      this.report = await get(path('cluster'), {}, { seconds: 4 })
      this.heard = Date.now()
      this.failure = null
      this.locked = false
      this.sample()
      // What other nodes are asked for may take as long as they are waited for; the rest goes on meanwhile.
      if (this.turn % 60 === 0) this.alone('fill')
      if (this.turn % 2 === 0) this.alone('read')
      this.turn += 1
    } catch (error) {
      this.failure = error
      this.locked = error instanceof Refusal && error.status === 401
    }
    this.dispatchEvent(new Event('change'))
  }

  /** Does something unless it is still being done. */
  async alone(what) {
    if (this.busy.has(what)) return
    this.busy.add(what)
    await this[what]()
    this.busy.delete(what)
    this.dispatchEvent(new Event('change'))
  }

  /** The last ten minutes, from the nodes that keep them. */
  async fill() {
    const answer = await this.optional(path('series'))
    if (!answer) return
    const now = Math.floor(Date.now() / 1000)
    for (const node of answer.nodes) {
      if (!node.answered) continue
      const seconds = new Map()
      const length = node.sessions.length
      // Each node's newest sample is of this second: clocks of nodes may differ, and from this one's.
      for (let index = 0; index < length; index += 1) {
        const values = {}
        for (const [name, key] of Object.entries(inSeries)) values[name] = node[key]?.[index] ?? null
        seconds.set(now - Math.round((length - 1 - index) * answer.step_ms / 1000), values)
      }
      this.series.set(node.id, { name: node.name, seconds })
    }
  }

  /** What the beats say now, added to what is known. */
  sample() {
    const now = Math.floor(Date.now() / 1000)
    for (const node of this.report.cluster) {
      const known = this.series.get(node.id) ?? { name: node.name, seconds: new Map() }
      this.series.set(node.id, known)
      if (!node.is_fresh || !node.summary) continue
      known.seconds.set(now, Object.fromEntries(Object.entries(measures).map(([name, of]) => [name, of(node.summary)])))
    }
    for (const [id, known] of this.series) {
      for (const second of known.seconds.keys()) if (second < now - span - 5) known.seconds.delete(second)
      if (known.seconds.size === 0 && !this.report.cluster.some(node => node.id === id)) this.series.delete(id)
    }
  }

  async read() {
    const [recent, problems] = await Promise.all([this.optional(path('recent')), this.optional(path('problems'))])
    if (recent !== undefined) {
      this.events = recent ? recent.events : this.report.events.slice().reverse()
        .map(event => ({ time: event.time, node: null, severity: event.level, text: event.message }))
    }
    if (problems !== undefined) {
      this.problems = problems
      this.problemsAreUnknown = problems === null
    }
  }

  /** An answer; null where the node is of a version without it; undefined where it is not known now. */
  async optional(path) {
    try { return await get(path) } catch (error) {
      return error instanceof Refusal && error.isUnknown ? null : undefined
    }
  }

  get nodes() { return this.report?.cluster ?? [] }

  node(id) { return this.nodes.find(node => node.id === id) ?? this.nodes.find(node => node.name === id) }

  nameOf(id) { return this.node(id)?.name ?? id }

  /** The state of everything: `{ kind: good | warn | bad | off, text }`. */
  get state() {
    if (this.locked) {
      return { kind: 'off', text: hasToken() ? 'This token is not right.' : 'This node wants a token: admin.token in its configuration.' }
    }
    if (this.failure instanceof Refusal) return { kind: 'bad', text: explain(this.failure, 'the state of the cluster') }
    if (this.failure) {
      const since = this.heard ? ` since ${time(this.heard)}. What is shown is from then` : ''
      return { kind: 'bad', text: `This node does not answer${since}: ${this.failure.message}` }
    }
    if (!this.report) return { kind: 'off', text: 'Asking the node…' }
    const { asked, answered } = this.report.nodes
    const heard = `${answered} of ${things(asked, 'node')} heard.`
    const trouble = troubles(this.nodes)
    if (trouble.length > 0) {
      const rest = trouble.length > 1 ? ` (and ${count(trouble.length - 1)} more)` : ''
      return { kind: trouble[0].kind, text: `${trouble[0].text}${rest}. ${heard}` }
    }
    if (this.problems && !this.problems.ok) return { kind: 'warn', text: `${ended(this.problems.sentence)} ${heard}` }
    return { kind: 'good', text: `${ended(this.problems?.sentence ?? 'Everything works')} ${heard}` }
  }
}

function ended(sentence) {
  return /[.!?…]$/.test(sentence) ? sentence : `${sentence}.`
}

/** What is wrong with nodes, the worst first. */
export function troubles(nodes) {
  const found = []
  for (const node of nodes) {
    const condition = conditionOf(node)
    if (condition.kind === 'bad' || condition.kind === 'warn') found.push({ kind: condition.kind, text: `Node ${node.name}: ${condition.text}` })
  }
  const versions = new Set(nodes.map(node => node.summary?.version).filter(Boolean))
  if (versions.size > 1) found.push({ kind: 'warn', text: `The nodes are of ${versions.size} versions` })
  const { differing } = configurations(nodes)
  if (differing.length > 0) {
    found.push({ kind: 'warn', text: differing.length === 1 ? `Node ${differing[0].name} has another configuration than the other nodes`
      : 'The nodes have different configurations' })
  }
  return found.sort((a, b) => (a.kind === 'bad' ? 0 : 1) - (b.kind === 'bad' ? 0 : 1))
}

/**
 * How the nodes' configurations differ, from the digests that they tell: `common` is the one of the most nodes, null where there is
 * none; `differing` are the nodes with another one, empty where all have the same.
 */
export function configurations(nodes) {
  const groups = new Map()
  for (const node of nodes) {
    const digest = node.is_fresh ? node.summary?.configuration : null
    if (digest) groups.set(digest, [...groups.get(digest) ?? [], node])
  }
  const [first, second] = [...groups].sort((a, b) => b[1].length - a[1].length)
  const common = first && (!second || first[1].length > second[1].length) ? first[0] : null
  return { common, differing: second ? [...groups].flatMap(([digest, found]) => digest === common ? [] : found) : [] }
}

/** How a node is: `{ kind, text }`. */
export function conditionOf(node) {
  if (!node.is_fresh) return { kind: 'bad', text: `not heard for ${Math.round(node.last_seen_ms / 1000)} s` }
  const summary = node.summary
  if (!summary) return { kind: 'off', text: 'starting' }
  if (summary.draining) {
    const words = { waiting: 'about to drain', leaving: 'draining', drained: 'drained' }
    return { kind: 'warn', text: words[summary.draining] ?? summary.draining }
  }
  if (summary.link.phase === 'degraded') return { kind: 'warn', text: `${summary.link.away?.length ?? 1} of ${summary.link.servers ?? '?'} Redis away` }
  if (summary.link.phase !== 'linked') return { kind: 'bad', text: summary.link.phase }
  return { kind: 'good', text: 'serving' }
}

export const watch = new Watch()
