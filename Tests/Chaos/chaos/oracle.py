"""What was promised, checked against what everybody saw. Pure: it reads a log and says what is wrong with it.

- I1 order: between announcements the offsets of a client go up by one, and so do the publications of each publisher.
- I2 no duplicate: no publication comes twice to a client, whatever was retried.
- I3 no silent gap: what was acknowledged while a client was subscribed reached it, or it was told of a loss afterwards.
- I4 same view: one (channel, epoch, offset) is one publication, for everybody; and one publication has one place in the
  history. It may have had another in an epoch that was given up, when its acknowledgement was lost and it was tried again.
- I5 honest acknowledgement: what was acknowledged is in the channel's history in the end, or everybody who was subscribed
  was told of a loss.
- I6 no false alarm: who is told of a loss could not have gone on. Either something was lost in that channel, or more was
  missed than anybody gets at once, or than is kept.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from .log import Event, Log, Publish, checksum


@dataclass
class Violation:
    invariant: str
    client: str
    channel: str
    at: float
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:.3f} s, {self.client or 'everybody'} in {self.channel}: {self.what}"


@dataclass
class Verdict:
    violations: list[Violation] = field(default_factory=list)
    #: What there was to look at: a run in which nothing happened proves nothing.
    acknowledged: int = 0
    unknown: int = 0
    refused: int = 0
    deliveries: int = 0
    announcements: int = 0
    #: Announcements although nothing was lost.
    false_announcements: int = 0
    recoveries: int = 0

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} acknowledged, {self.refused} refused, {self.unknown} unknown; {self.deliveries} deliveries, "
            f"{self.recoveries} recoveries, {self.announcements} announcements, {self.false_announcements} of them false; {len(self.violations)} violations")


@dataclass
class Span:
    """A time in which a client was told of no loss: from where it began to an announcement, or to the end."""

    client: str
    channel: str
    begun: float
    offset: int
    events: list[Event] = field(default_factory=list)
    #: None while it lasts to the end.
    announced: float | None = None


def spans(log: Log) -> Iterator[Span]:
    """Cuts what each client saw at the announcements."""
    seen: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in log.events:
        seen[event.client, event.channel].append(event)
    for (client, channel), events in seen.items():
        span: Span | None = None
        for event in events:
            if event.kind == "subscribed":
                if span is not None and event.was_recovering and event.recovered:
                    continue
                if span is not None:
                    span.announced = event.at
                    yield span
                span = Span(client, channel, event.at, event.offset)
            elif event.kind == "announced":
                if span is not None:
                    span.announced = event.at
                    yield span
                span = None
            elif event.kind == "publication":
                if span is None:
                    # Before it is told where it begins; its place is that of the first.
                    span = Span(client, channel, event.at, event.offset - 1)
                span.events.append(event)
        if span is not None:
            yield span


def judge(log: Log) -> Verdict:
    verdict = Verdict(
        acknowledged=sum(one.outcome == "ok" for one in log.publishes),
        unknown=sum(one.outcome == "unknown" for one in log.publishes),
        refused=sum(one.outcome == "error" for one in log.publishes),
        deliveries=sum(one.kind == "publication" for one in log.events),
        announcements=sum(one.kind == "announced" for one in log.events),
        recoveries=sum(one.kind == "subscribed" and one.recovered for one in log.events),
    )
    every = list(spans(log))
    known = {one.id: one for one in log.publishes}
    for check in (_order, _duplicates, _gaps, _acknowledged):
        verdict.violations += check(log, every, known)
    false = list(_false(log, every))
    verdict.false_announcements = len(false)
    verdict.violations += false
    verdict.violations += _views(log, known)
    verdict.violations.sort(key=lambda one: one.at)
    return verdict


def _order(log: Log, every: list[Span], known: dict[int, Publish]) -> Iterator[Violation]:
    for span in every:
        last = span.offset
        sequences: dict[str, int] = {}
        for event in span.events:
            if event.offset != last + 1:
                yield Violation("I1", span.client, span.channel, event.at, f"offset {event.offset} after {last}")
            last = event.offset
            if event.sequence <= sequences.get(event.publisher, 0):
                yield Violation(
                    "I1", span.client, span.channel, event.at,
                    f"{event.publisher}'s {event.sequence} after its {sequences[event.publisher]}")  # fmt: skip
            sequences[event.publisher] = event.sequence


def _duplicates(log: Log, every: list[Span], known: dict[int, Publish]) -> Iterator[Violation]:
    for span in every:
        ids: set[int] = set()
        for event in span.events:
            if event.id in ids:
                yield Violation("I2", span.client, span.channel, event.at, f"publication {event.id} for the second time")
            ids.add(event.id)
            # Something that nobody published is as bad.
            if event.id not in known or known[event.id].channel != span.channel:
                yield Violation("I2", span.client, span.channel, event.at, f"publication {event.id} was never published here")


def _gaps(log: Log, every: list[Span], known: dict[int, Publish]) -> Iterator[Violation]:
    by_channel: dict[str, list[Publish]] = defaultdict(list)
    for publish in known.values():
        if publish.outcome == "ok":
            by_channel[publish.channel].append(publish)
    for span in every:
        if span.announced is not None:
            # Whatever is missing before an announcement is what it is about; what is missing in the middle, order tells.
            continue
        received = {event.id for event in span.events}
        for publish in by_channel[span.channel]:
            if publish.begun > span.begun and publish.id not in received:
                yield Violation(
                    "I3", span.client, span.channel, publish.ended,
                    f"publication {publish.id} (offset {publish.offset} of {publish.epoch}) never came, and nobody said so")  # fmt: skip


def _views(log: Log, known: dict[int, Publish]) -> Iterator[Violation]:
    """Who knows an epoch: publishers, event streams, and the history in the end."""
    payloads: dict[tuple[str, str, int], int] = {}
    #: Of each publication: its offset in each epoch.
    places: dict[int, dict[str, int]] = defaultdict(dict)

    def look(channel: str, epoch: str, offset: int, id: int, at: float, who: str) -> Iterator[Violation]:
        place = places[id].setdefault(epoch, offset)
        if place != offset:
            yield Violation("I4", who, channel, at, f"publication {id} has offset {offset}, and {place} elsewhere")
        if payloads.setdefault((channel, epoch, offset), id) != id:
            yield Violation(
                "I4", who, channel, at,
                f"{epoch}:{offset} is publication {id} here and {payloads[channel, epoch, offset]} elsewhere")  # fmt: skip

    for publish in log.publishes:
        if publish.outcome == "ok":
            yield from look(publish.channel, publish.epoch, publish.offset, publish.id, publish.ended, publish.publisher)
    for event in log.events:
        if event.kind == "publication" and event.epoch:
            yield from look(event.channel, event.epoch, event.offset, event.id, event.at, event.client)
    for channel, entries in log.final.items():
        kept: dict[int, int] = {}
        for epoch, offset, id in entries:
            yield from look(channel, epoch, offset, id, log.now(), "history")
            if kept.setdefault(id, offset) != offset:
                yield Violation("I4", "history", channel, log.now(), f"publication {id} is there twice, at {kept[id]} and {offset}")
    # Those who do not know epochs have to have seen it in one of its places.
    for event in log.events:
        if event.kind == "publication" and not event.epoch:
            if places[event.id] and event.offset not in places[event.id].values():
                yield Violation(
                    "I4", event.client, event.channel, event.at,
                    f"publication {event.id} has offset {event.offset}, and {sorted(places[event.id].values())} elsewhere")  # fmt: skip


def _acknowledged(log: Log, every: list[Span], known: dict[int, Publish]) -> Iterator[Violation]:
    told: dict[str, list[Span]] = defaultdict(list)
    for span in every:
        told[span.channel].append(span)
    for channel, entries in log.final.items():
        kept = {id for _, _, id in entries}
        oldest = entries[0][1] if entries else 0
        is_full = len(entries) >= log.kept
        for publish in known.values():
            if publish.channel != channel or publish.outcome != "ok" or publish.id in kept:
                continue
            if is_full and publish.offset < oldest:
                # Old, and not kept any more.
                continue
            for span in told[channel]:
                if span.begun < publish.begun and span.announced is None:
                    yield Violation(
                        "I5", span.client, channel, publish.ended,
                        f"publication {publish.id} was acknowledged, is not in the history, and nobody said so")  # fmt: skip


#: What a client that comes back is given at once, at the most.
RECOVERED = 300


def _false(log: Log, every: list[Span]) -> Iterator[Violation]:
    """Announcements to those whose place is in the history, of a channel in which nothing is missing."""
    begun: dict[tuple[str, str], list[Event]] = defaultdict(list)
    seen: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for event in log.events:
        if event.kind == "publication":
            seen[event.channel].add((event.id, event.offset))
        if event.kind in ("publication", "subscribed"):
            begun[event.client, event.channel].append(event)
    whole: dict[str, dict[int, int]] = {}
    for channel, entries in log.final.items():
        places = {id: offset for _, offset, id in entries}
        oldest = entries[0][1] if entries else 0
        is_full = len(entries) >= log.kept
        acknowledged = {(one.id, one.offset) for one in log.publishes if one.channel == channel and one.outcome == "ok"}
        lost = [id for id, offset in acknowledged | seen[channel] if id not in places and not (is_full and offset < oldest)]
        if entries and not lost:
            whole[channel] = {offset: id for id, offset in places.items()}
    for span in every:
        if span.announced is None or span.channel not in whole:
            continue
        at_offset = whole[span.channel]
        oldest = min(at_offset)
        last = span.events[-1] if span.events else None
        place = last.offset if last else span.offset
        if last and place >= oldest and at_offset.get(place) != last.id:
            continue
        # Where it goes on: at the end of that time, or at the first publication it gets then.
        following = next((one for one in begun[span.client, span.channel] if one.at >= span.announced and one is not last), None)
        if following is None:
            continue
        end = following.offset if following.kind == "subscribed" else following.offset - 1
        if 0 <= end - place <= min(RECOVERED, log.kept):
            yield Violation(
                "I6", span.client, span.channel, span.announced,
                f"told of a loss at {place}, and what was published up to {end} is in the history, as is everything else")  # fmt: skip


__all__ = ["Verdict", "Violation", "checksum", "judge", "spans"]
