"""The rows themselves."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from . import hubs, page, several, sizing, variants, webhooks
from .client import Failed
from .processes import NotStarted, Servers
from .rows import Bench, Row, collect, decide, median, ratio
from .subjects import Subject, port_of

ALL = ("floor", "carillon", "bun", "uws", "nats", "nchan")
#: Where it matters how Carillon sends.
SENDING = ("floor", "carillon", "direct", *ALL[2:])


def cpu_one(bench: Bench) -> list[Row]:
    found = bench.side_by_side(
        "fanout", SENDING, "CPU per delivery, one at a time", sessions=bench.plan.sessions, seconds=bench.plan.seconds)
    row = Row("cpu_window_1", f"CPU per delivery, one message at a time, {bench.plan.sessions:,} raw sessions",
              "≤ 0.90 × floor", unit="µs")
    collect(row, found, "server_cpu_per_delivery")
    decide(row, ratio(row, "floor"), 0.90, True, "{:.2f} × floor")
    if "carillon" in bench.subjects and not bench.subjects["carillon"].has_ring:
        row.note = "this machine has no io_uring for the node"
    direct = Row("cpu_window_1_direct", "the same without io_uring", "≤ 1.05 × floor", unit="µs")
    collect(direct, found, "server_cpu_per_delivery")
    decide(direct, ratio(direct, "floor", under="direct"), 1.05, True, "{:.2f} × floor")
    only_direct(direct)
    user = Row("user_cpu", "user CPU per delivery beyond the `send`", "≤ 0.4 µs", unit="µs")
    collect(user, found, "server_user_per_delivery")
    decide(user, user.figures.get("carillon"), 0.4, True, "{:.2f} µs")
    return [row, direct, user, allocations(bench)]


def only_direct(row: Row) -> None:
    """What the others have is in the row above."""
    row.figures = {}
    row.rounds = {"direct": row.rounds.get("direct", [])}


def allocations(bench: Bench) -> Row:
    row = Row("allocations", "allocations per delivery", "0 (below 0.01)")
    for subject in bench.present("carillon"):
        metrics = bench.measure(
            "fanout", subject, "allocations", start={"count_allocations": True},
            sessions=bench.plan.sessions, seconds=min(3, bench.plan.seconds))
        if metrics:
            row.rounds[subject.key] = [metrics.get("server_allocations_per_delivery", 0.0)]
            row.figures[subject.key] = row.rounds[subject.key][0]
    row.note = "what a publication allocates, spread over its deliveries, and everything else the process does meanwhile"
    return decide(row, row.figures.get("carillon"), 0.01, True, "{:.4f}")


def cpu_many(bench: Bench) -> list[Row]:
    found = bench.side_by_side(
        "fanout", SENDING, "CPU per delivery, 64 outstanding", sessions=bench.plan.sessions, window=64,
        seconds=bench.plan.seconds)
    row = Row("cpu_window_64", "CPU per delivery with 64 publications outstanding, same work", "≤ 1/20 of the floor's",
              unit="µs")
    collect(row, found, "server_cpu_per_delivery")
    share = ratio(row, "floor")
    decide(row, share, 1 / 20, True, "")
    if share:
        row.measured = f"1/{1 / share:.1f} of the floor's"
    direct = Row("cpu_window_64_direct", "the same without io_uring", "(no budget)", unit="µs")
    collect(direct, found, "server_cpu_per_delivery")
    share = ratio(direct, "floor", under="direct")
    if share:
        direct.value, direct.measured = share, f"1/{1 / share:.1f} of the floor's"
    only_direct(direct)
    rate = Row("deliveries", "deliveries per second with 64 outstanding", "(no budget)", unit="/s")
    collect(rate, found, "deliveries_per_second")
    if "carillon" in rate.figures:
        rate.value = rate.figures["carillon"]
        rate.measured = f"{rate.value:,.0f}/s"
    return [row, direct, rate]


def memory(bench: Bench) -> list[Row]:
    found = bench.side_by_side(
        "idle", ("carillon", "bun", "uws", "nats", "nchan"), "memory of idle sessions", rounds=min(3, bench.plan.rounds),
        sessions=bench.plan.full_node, seconds=1)
    row = Row("idle", "user memory per idle plain session with one subscription", "≤ 512 B", unit="B")
    collect(row, found, "private_per_session")
    return [decide(row, row.figures.get("carillon"), 512, True, "{:.0f} B")]


def connects(bench: Bench) -> list[Row]:
    found = bench.side_by_side("connect", ALL, "connects", sessions=bench.plan.sessions)
    row = Row("connects", "connects per second (accept, handshake, subscribe)", "≥ 0.8 × floor", unit="/s")
    collect(row, found, "connects_per_second")
    return [decide(row, ratio(row, "floor"), 0.8, False, "{:.2f} × floor")]


def full_node(bench: Bench) -> list[Row]:
    sessions = bench.plan.full_node
    row = Row("full_node", f"{sessions:,} sessions on one node, every delivery counted", "none missing, none twice")
    if "carillon" in bench.subjects:
        metrics = bench.measure(
            "fanout", bench.subjects["carillon"], "a full node", sessions=sessions, seconds=bench.plan.seconds)
        if metrics:
            wrong = metrics["missing"] + metrics["duplicates"] + metrics["reordered"] + metrics["sessions_lost"]
            row.value = wrong + len(metrics["problems"])
            row.met = row.value == 0
            row.figures["carillon"] = metrics["to_last_p50"] / 1000
            row.unit = "ms"
            row.measured = f"{metrics['deliveries']:,.0f} delivered, {wrong:.0f} wrong, last after {metrics['to_last_p50'] / 1000:.0f} ms"
    return [row]


@contextmanager
def redis_server(bench: Bench) -> Iterator[int]:
    with tempfile.TemporaryDirectory(dir=bench.directory) as folder:
        with bench.subjects["redis"].start(Path(folder)) as servers:
            yield port_of("//" + servers.urls[0])


def across_nodes(bench: Bench) -> list[Row]:
    """Everything that passes through one Redis, in one run."""
    added = Row("node_to_node", "node to node through Redis, idle: added p50 over a bare PUBLISH → SUBSCRIBE round trip",
                "≤ 1.3 ×", unit="µs")
    p50 = Row("two_nodes_p50", "one session to another over two nodes through Redis, p50", "≤ Bun's", unit="µs")
    rate = Row("two_nodes_rate", "the same with 64 outstanding, publications per second", "≥ 1.5 × Bun's", unit="/s")
    publish = Row("publish_rate", "publications per second through Redis from one node",
                  "≥ 0.7 × `redis-benchmark -P 64 PUBLISH`", unit="/s")
    history = Row("publish_history", "the same with history (100 publications kept), over plain ones", "no budget", unit="/s")
    rows = [added, p50, rate, publish, history]
    if "redis" not in bench.subjects:
        for row in rows:
            row.note = "redis-server is missing"
        return rows
    # A second of warm-up is enough; these take many short samples rather than few long ones.
    seconds = max(1.0, bench.plan.seconds / 2)
    singles: list[float] = []
    bare: list[float] = []
    for number in range(bench.plan.rounds):
        with redis_server(bench) as port:
            what = f"through Redis {number + 1}"
            metrics = bare_round_trip(bench, port, seconds, what)
            if metrics:
                bare.append(metrics["round_trip_p50"])
            one = "carillon" in bench.subjects and bench.measure(
                "latency", bench.subjects["carillon"], f"{what}, one node", seconds=seconds)
            if one:
                singles.append(one["latency_p50"])
            for subject in bench.present("carillon", "bun", "nchan"):
                if subject.key == "nchan" and number >= bench.plan.peer_rounds:
                    continue
                for row, scenario, metric in ((p50, "latency", "latency_p50"), (rate, "rate", "publications_per_second")):
                    # A burst over a WebSocket into a channel nchan keeps in Redis does not arrive in whole: no rate.
                    if subject.key == "nchan" and scenario == "rate":
                        continue
                    window = {} if scenario == "latency" else {"window": 64}
                    metrics = bench.measure(
                        scenario, subject, f"{what}, {scenario}", count=2, redis=port, seconds=seconds, **window)
                    # A run in which nothing arrived is a problem, which is told, and not a figure.
                    if metrics and metrics.get(metric):
                        row.rounds.setdefault(subject.key, []).append(metrics[metric])
            measure_publishing(bench, publish, history, port, seconds, what)
    finish_across(rows, singles, bare)
    return rows


def bare_round_trip(bench: Bench, port: int, seconds: float, what: str) -> dict | None:
    try:
        return bench.client.run("redis", Servers(), f"{what}, bare round trip", seconds=seconds, redis=f"127.0.0.1:{port}")
    except Failed as error:
        bench.client.notes.append(str(error))
        return None
    finally:
        bench.client.progress.step(what)


def measure_publishing(bench: Bench, row: Row, history: Row, port: int, seconds: float, what: str) -> None:
    requests = bench.redis_benchmark(port, 64)
    if requests:
        row.rounds.setdefault("redis", []).append(requests)
    for subject in bench.present("carillon"):
        publishing_of(bench, subject, row, history, port, seconds, what)


def publishing_of(
        bench: Bench, carillon: Subject, row: Row, history: Row, port: int, seconds: float, what: str) -> None:
    plain = "plain" if carillon.key == "carillon" else f"plain {carillon.key}"
    with tempfile.TemporaryDirectory(dir=bench.directory) as folder:
        try:
            with carillon.start(Path(folder), 1, port) as servers:
                url = f"ws://127.0.0.1:{port_of(servers.urls[0])}/connection/websocket"
                metrics = bench.client.run(
                    "publish", servers, f"{what}, publishing", urls=[url], seconds=seconds, window=64, publishers=50)
                row.rounds.setdefault(carillon.key, []).append(metrics["publications_per_second"])
                bench.samples.append({"scenario": "publish", "subject": carillon.key, "what": what, **metrics})
                kept = bench.client.run(
                    "publish", servers, f"{what}, publishing with history", urls=[url], seconds=seconds, window=64,
                    publishers=50, channel="bench-history")
                history.rounds.setdefault(plain, []).append(metrics["publications_per_second"])
                history.rounds.setdefault(carillon.key, []).append(kept["publications_per_second"])
                bench.samples.append({"scenario": "publish with history", "subject": carillon.key, "what": what, **kept})
        except (Failed, NotStarted) as error:
            bench.client.notes.append(str(error))
            bench.client.progress.note(f"! {error}")
    bench.client.progress.step(what)


def finish_across(rows: list[Row], singles: list[float], bare: list[float]) -> None:
    added, p50, rate, publish, history = rows
    for row in rows:
        row.figures = {key: median(values) for key, values in row.rounds.items()}
    double = p50.rounds.get("carillon", [])
    extra = [two - one for two, one in zip(double, singles)]
    added.rounds = {"carillon": extra, "redis": bare}
    added.figures = {key: median(values) for key, values in added.rounds.items() if values}
    decide(added, ratio(added, "redis"), 1.3, True, "{:.2f} ×")
    if singles and double and bare:
        added.note = (f"two nodes {median(double):.0f} µs, one node {median(singles):.0f} µs, "
                      f"bare round trip {median(bare):.0f} µs")
    decide(p50, ratio(p50, "bun"), 1.0, True, "{:.2f} × Bun's")
    decide(rate, ratio(rate, "bun"), 1.5, False, "{:.2f} × Bun's")
    decide(publish, ratio(publish, "redis"), 0.7, False, "{:.2f} ×")
    cost = ratio(history, "plain")
    if cost is not None:
        history.value, history.measured = cost, f"{cost:.2f} ×"


def broadcast(bench: Bench) -> list[Row]:
    plan = bench.plan
    row = Row("broadcast", f"{plan.broadcast_sessions:,} sessions over {plan.broadcast_nodes} nodes, one broadcast to all",
              "every one delivered; last ≤ 1.15 × floor's", unit="ms")
    wrong = 0
    if "redis" not in bench.subjects:
        row.note = "redis-server is missing"
        return [row]
    for number in range(plan.broadcast_rounds):
        with redis_server(bench) as port:
            for subject in bench.present("floor", "carillon"):
                # Nothing joins the floor's processes: each is sent the broadcast.
                each = {"publish_to_each": True} if subject.key == "floor" else {}
                metrics = bench.measure(
                    "broadcast", subject, f"broadcast {number + 1}", count=plan.broadcast_nodes, redis=port,
                    sessions=plan.broadcast_sessions, publications=5, **each)
                if not metrics:
                    continue
                if "to_last_median" in metrics:
                    row.rounds.setdefault(subject.key, []).append(metrics["to_last_median"])
                if subject.key == "carillon":
                    wrong += len(metrics["problems"])
    row.figures = {key: median(values) for key, values in row.rounds.items()}
    decide(row, ratio(row, "floor"), 1.15, True, "{:.2f} × floor's")
    if row.value is not None:
        row.met = row.met and wrong == 0
        row.measured += ", all delivered" if wrong == 0 else f", {wrong} runs with a fault"
    return [row]


def small_channel(bench: Bench) -> list[Row]:
    row = Row("small_channel", f"latency of a small channel while another one fans out to {bench.plan.sessions:,}, p99",
              "≤ 5 ms", unit="ms")
    for number in range(min(3, bench.plan.rounds)):
        for subject in bench.present("carillon"):
            metrics = bench_small(bench, subject, number)
            if metrics:
                row.rounds.setdefault(subject.key, []).append(metrics["beside_p99"] / 1000)
                if subject.key == "carillon":
                    row.note = f"alone: p99 {metrics['alone_p99'] / 1000:.2f} ms"
    row.figures = {key: median(values) for key, values in row.rounds.items()}
    return [decide(row, row.figures.get("carillon"), 5.0, True, "{:.1f} ms")]


def bench_small(bench: Bench, subject: Subject, number: int) -> dict | None:
    class TwoChannels:
        key, label = subject.key, subject.label

        @staticmethod
        def start(directory: Path, count: int, redis: int | None):
            servers = subject.start(directory)
            servers.urls.append(servers.urls[0].replace("channel=bench", "channel=bench-small"))
            return servers

    return bench.measure("small-channel", TwoChannels, f"a small channel {number + 1}", sessions=bench.plan.sessions,
                         seconds=bench.plan.seconds)


ROWS = {
    "cpu": cpu_one, "batch": cpu_many, "memory": memory, "connects": connects, "full-node": full_node,
    "redis": across_nodes, "broadcast": broadcast, "small-channel": small_channel,
    "tls-deflate": variants.fanout, "tls-deflate-memory": variants.memory, "encodings": variants.encodings,
    "signalr": hubs.signalr, "paused": hubs.paused, "webhooks": webhooks.webhooks, "page": page.page,
    "servers": several.servers, "sizing": sizing.sizing,
}
