/// The page at `/`: the cluster at a glance, drawn by the browser from `/api/v1/cluster`. Self-contained.
enum AdminPage {
    /// Nothing from elsewhere, and nothing that a name shown here could smuggle in: the page writes texts only.
    static let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"

    static let html = """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
        <title>Carillon</title>
        <style>
        :root { color-scheme: light dark; --line: #8884; --good: #2a9d4a; --bad: #d03b3b; --bar: #4a7fd0 }
        body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
        h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
        table { border-collapse: collapse; width: 100% } td, th { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
        td:first-child, th:first-child, .left { text-align: left } th { font-weight: 600; font-size: .85rem }
        .dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .5em }
        .good { background: var(--good) } .bad { background: var(--bad) }
        .bar { display: inline-block; height: .6em; background: var(--bar); border-radius: 2px; margin-right: .5em; vertical-align: middle }
        #summary { opacity: .75 } #token { margin-left: 1rem } .event-error { color: var(--bad) } time { opacity: .7; margin-right: 1em }
        ul { list-style: none; padding: 0; margin: 0 } li { padding: .15rem 0 }
        </style></head><body>
        <h1>Carillon</h1><p id="summary">…</p>
        <table><thead><tr><th>node</th><th class="left">link</th><th>sessions</th><th>channels</th><th>publications/s</th><th>deliveries/s</th><th>CPU</th><th>memory</th><th>backlog</th><th>round trip</th></tr></thead><tbody id="nodes"></tbody></table>
        <h2>What happened</h2><ul id="events"></ul>
        <script>
        const $ = id => document.getElementById(id)
        const cell = (row, text, className) => { const c = row.insertCell(); c.textContent = text; if (className) c.className = className; return c }
        const bytes = n => n < 1024 ? n + ' B' : n < 1048576 ? (n / 1024).toFixed(0) + ' KiB' : (n / 1048576).toFixed(1) + ' MiB'
        const token = new URLSearchParams(location.hash.slice(1)).get('token')
        async function refresh() {
          try {
            const reply = await fetch('api/v1/cluster', token ? { headers: { authorization: 'Bearer ' + token } } : {})
            if (reply.status == 401) { $('summary').textContent = 'This node wants a token: open this page with #token=… at the end of its address.'; return }
            const report = await reply.json()
            const most = Math.max(1, ...report.cluster.map(n => n.summary ? n.summary.sessions : 0))
            $('summary').textContent = `${report.sessions} sessions · ${report.nodes.answered} of ${report.nodes.asked} nodes heard`
            const body = $('nodes'); body.textContent = ''
            for (const node of report.cluster) {
              const row = body.insertRow(), s = node.summary
              cell(row, node.name + (node.is_self ? ' (this one)' : '')).title = node.id
              const link = cell(row, '', 'left'), dot = document.createElement('span')
              const good = node.is_fresh && s && s.link.phase == 'linked' && !s.draining
              dot.className = 'dot ' + (good ? 'good' : 'bad'); link.append(dot, !node.is_fresh ? 'not heard for ' + Math.round(node.last_seen_ms / 1000) + ' s' : s ? s.draining || s.link.phase : '…')
              if (s && s.link.reason) link.title = s.link.reason
              if (!s) continue
              const count = cell(row, ''), bar = document.createElement('span')
              bar.className = 'bar'; bar.style.width = (s.sessions / most * 5).toFixed(2) + 'em'; count.append(bar, s.sessions)
              cell(row, s.channels); cell(row, s.rates.publications); cell(row, s.rates.deliveries); cell(row, s.cpu_percent + ' %')
              cell(row, bytes(s.memory_bytes)); cell(row, bytes(s.backlog_bytes)); cell(row, s.link.round_trip_us ? s.link.round_trip_us + ' µs' : '–')
            }
            const events = $('events'); events.textContent = ''
            for (const event of report.events.slice().reverse()) {
              const item = document.createElement('li'), time = document.createElement('time')
              time.textContent = new Date(event.time).toLocaleTimeString(); item.className = 'event-' + event.level
              item.append(time, event.message); events.append(item)
            }
            if (!report.events.length) events.textContent = 'Nothing yet.'
          } catch (error) { $('summary').textContent = 'The node does not answer: ' + error }
        }
        refresh(); setInterval(refresh, 1000)
        </script></body></html>
        """
}
