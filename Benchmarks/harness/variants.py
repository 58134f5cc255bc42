"""Fan-out and idle sessions over TLS, and with permessage-deflate, beside the plain ones.

The same work three times within a round: plain, encrypted, compressed. What a variant costs is its ratio to the plain
one of the same subject in the same round. The payload is JSON with figures that differ from one message to the next.
"""

from __future__ import annotations

from .rows import Bench, Row, collect, median, ratio
from .subjects import At

WHO = ("carillon", "bun", "nchan")
PAYLOAD = {"payload": "json", "bytes": 768}
NO_BUDGET = "(no budget)"

#: Dialects, and the path by which each is spoken: the same fan-out in several encodings.
ENCODINGS = {
    "raw": "/raw?channel=bench",
    "centrifuge": "/connection/websocket",
    "centrifuge-protobuf": "/connection/websocket?format=protobuf",
}
ENCODING_NAMES = {"raw": "raw", "centrifuge": "Centrifuge JSON", "centrifuge-protobuf": "Centrifuge Protobuf"}

# What a variant asks of the server, and of the client.
VARIANTS = {
    "plain": ({}, {}),
    "tls": ({"encrypted": True}, {}),
    "deflate": ({"compressed": True}, {"permessage_deflate": True}),
}
NAMES = {"plain": "plain", "tls": "TLS", "deflate": "compressed"}
ROUNDS = 3

Found = dict[str, dict[str, list[dict]]]


def fanout(bench: Bench) -> list[Row]:
    # Samples are many and short, as through Redis.
    seconds = max(1.0, bench.plan.seconds / 2)
    single = measure(bench, "fanout", "one at a time", ROUNDS, sessions=bench.plan.sessions, seconds=seconds, **PAYLOAD)
    batch = measure(bench, "fanout", "64 outstanding", ROUNDS, sessions=bench.plan.sessions, seconds=seconds, window=64,
                    **PAYLOAD)
    size = f"JSON of {PAYLOAD['bytes']} B"
    cpu = rows("cpu_1", f"CPU per delivery, one message at a time, {size}", single, "server_cpu_per_delivery", "µs")
    many = rows("cpu_64", f"CPU per delivery, 64 outstanding, {size}", batch, "server_cpu_per_delivery", "µs")
    rate = rows("rate", f"deliveries per second, 64 outstanding, {size}", batch, "deliveries_per_second", "/s")
    wire = rows("bytes", f"bytes per delivery, {size}, without TCP and TLS", single, "bytes_per_delivery", "B")
    connects = rows("connects", "connects per second", single, "connects_per_second", "/s")
    return [row for kind in (cpu, many, rate) for row in kind.values()] + [wire["deflate"], connects["tls"]]


def encodings(bench: Bench) -> list[Row]:
    """The same fan-out in the encodings of one server: what the protocol's form costs, and Protobuf beside JSON."""
    made = []
    for window, what in ((1, "one message at a time"), (64, "64 outstanding")):
        found: dict[str, list[dict]] = {}
        for number in range(min(ROUNDS, bench.plan.rounds)):
            for dialect, path in ENCODINGS.items():
                options = {} if dialect == "raw" else {"dialect": dialect}
                metrics = bench.measure(
                    "fanout", At(bench.subjects["carillon"], path), f"{ENCODING_NAMES[dialect]}, {what} {number + 1}", window=window,
                    sessions=bench.plan.sessions, seconds=max(1.0, bench.plan.seconds / 2), **options, **PAYLOAD)
                if metrics:
                    found.setdefault(dialect, []).append(metrics)
        costs = {}
        for dialect, runs in found.items():
            costs[dialect] = Row(
                f"{dialect}_cpu_{window}", f"{ENCODING_NAMES[dialect]}: CPU per delivery, {what}, JSON of {PAYLOAD['bytes']} B",
                NO_BUDGET, unit="µs")
            collect(costs[dialect], {"carillon": runs}, "server_cpu_per_delivery")
            costs[dialect].value = costs[dialect].figures.get("carillon")
        for dialect, row in costs.items():
            row.measured = against(row, costs, "centrifuge" if dialect == "centrifuge-protobuf" else "raw")
        made += costs.values()
    return made


def against(row: Row, costs: dict[str, Row], other: str) -> str:
    base = costs.get(other)
    if base is None or base is row or row.value is None:
        return f"{row.value:.2f} {row.unit}" if row.value is not None else row.measured
    share = median([one / two for one, two in zip(row.rounds["carillon"], base.rounds.get("carillon", [])) if two > 0])
    return f"{share:.2f} × {ENCODING_NAMES[other]}" if share is not None else f"{row.value:.2f} {row.unit}"


def memory(bench: Bench) -> list[Row]:
    # Fewer than on a full node: nchan does not take that many.
    idle = measure(bench, "idle", "memory", 1, sessions=bench.plan.sessions, seconds=1)
    made = rows("idle", "user memory per idle session", idle, "private_per_session", "B")
    for variant in ("tls", "deflate"):
        more = difference(made[variant], made["plain"])
        if more is not None:
            made[variant].measured += f" ({more:+,.0f} B)"
    return list(made.values())


def measure(bench: Bench, scenario: str, what: str, rounds: int, **options: object) -> Found:
    """Variants take turns within a round, and subjects within a variant."""
    found: Found = {variant: {} for variant in VARIANTS}
    for number in range(min(rounds, bench.plan.rounds)):
        for variant, (server, client) in VARIANTS.items():
            for subject in bench.present(*WHO):
                if not subject.is_ours and number >= bench.plan.peer_rounds:
                    continue
                metrics = bench.measure(
                    scenario, subject, f"{NAMES[variant]}, {what} {number + 1}", start=server, **options, **client)
                if metrics:
                    found[variant].setdefault(subject.key, []).append(metrics)
    return found


def rows(key: str, what: str, found: Found, metric: str, unit: str) -> dict[str, Row]:
    """A row for each variant: what it takes, its ratio to the plain one, and to the peers' same variant."""
    made = {}
    for variant, runs in found.items():
        row = Row(f"{variant}_{key}", f"{NAMES[variant]}: {what}", NO_BUDGET, unit=unit)
        collect(row, runs, metric)
        made[variant] = row
    plain = made["plain"]
    for variant, row in made.items():
        row.value = row.figures.get("carillon")
        if row.value is None:
            continue
        row.measured = compared(row, plain if variant != "plain" else None)
    return made


def compared(row: Row, plain: Row | None) -> str:
    parts = []
    if plain is not None:
        pairs = zip(row.rounds["carillon"], plain.rounds.get("carillon", []))
        share = median([one / other for one, other in pairs if other > 0])
        if share is not None:
            parts.append(f"{share:.2f} × plain")
    for peer, name in (("bun", "Bun's"), ("nchan", "nchan's")):
        share = ratio(row, peer)
        if share is not None:
            parts.append(f"{share:.2f} × {name}")
    return ", ".join(parts) or f"{row.value:.2f} {row.unit}"


def difference(row: Row, plain: Row) -> float | None:
    if "carillon" not in row.figures or "carillon" not in plain.figures:
        return None
    return row.figures["carillon"] - plain.figures["carillon"]


def steps(rounds: int, peer_rounds: int, peers: int) -> dict[str, int]:
    """How many measurements that are, by row."""
    count = min(ROUNDS, rounds)
    return {"tls-deflate": 2 * len(VARIANTS) * (count + peers * min(count, peer_rounds)),
            "tls-deflate-memory": len(VARIANTS) * (1 + peers), "encodings": 2 * len(ENCODINGS) * count}
