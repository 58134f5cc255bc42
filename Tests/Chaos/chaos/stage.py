"""Where it happens: Redis, nodes, a balancer, publishers and clients; and what is asked of them at the end."""

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from rig.balancers import HAProxy, Nginx
from rig.node import CARILLON, Node
from rig.redis_server import RedisServer
from rig.waiting import until

from .clients import CentrifugeClient, Client, Crowd, StreamClient
from .figures import Figure, leniency
from .log import Log, Publish
from .oracle import Verdict, judge
from .publishers import Publisher
from .report import Report

#: What a channel keeps: more than any scenario publishes, unless it says otherwise.
KEPT = 20_000


class Stage:
    def __init__(self, directory: Path, name: str, seed: int, report: Path, *, noted: Callable[[dict[str, Any]], None],
                 nodes: int = 3, channels: int = 4, kept: int = KEPT, program: Path = CARILLON, **settings: Any) -> None:  # fmt: skip
        self.directory = directory
        self.name = name
        self.seed = seed
        self.log = Log(kept=kept)
        self.channels = [f"chaos:{number}" for number in range(channels)]
        self.redis: Any = None
        self.nodes: list[Node] = []
        self.balancer: Any = None
        self.publishers: list[Publisher] = []
        self.crowd = Crowd(self.log, seed)
        #: Figures that were measured, to be told and drawn.
        self.figures: list[Figure] = []
        self._noted = noted
        self._report = report
        self._count = nodes
        #: What the nodes run at first.
        self._program = program
        self._names = itertools.count(1)
        rule = {"match": "*", "subscribe": "anyone", "publish": "client", "history": {"size": kept, "ttl": "1h"}}
        self._settings = {"channels": [rule], **settings}

    def __enter__(self) -> "Stage":
        print(f"\n{self.name}: seed {self.seed}", flush=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for publisher in self.publishers:
            publisher.stop()
        try:
            self.crowd.stop()
        finally:
            for process in [self.balancer, *self.nodes, self.redis]:
                if process is not None and process.is_running:
                    process.stop()
        if error is not None and not isinstance(error, AssertionError):
            self.log.write(self._report.with_suffix(".json"), name=self.name, seed=self.seed)

    # -- what there is

    def start(self, redis: Any = None, urls: list[str] | None = None, *, each: list[dict[str, Any]] | None = None,
              programs: list[Path] | None = None, **settings: Any) -> "Stage":  # fmt: skip
        """Redis and the nodes; `urls`: what each node is told of Redis, when that is not the same for all; `each`: and of
        anything else; `programs`: what each of them runs."""
        self.redis = redis or RedisServer(self.directory)
        if redis is None:
            self.redis.start()
        for index in range(self._count):
            own = {**settings, **(each[index] if each else {})}
            url = urls[index] if urls else None if "backplane" in own else self.redis.url
            node = Node(f"node-{index + 1}", self.directory, url, **{**self._settings, **own})
            node.program = programs[index] if programs else self._program
            self.nodes.append(node.launch_node())
        for node in self.nodes:
            node.wait_until_ready()
        for node in self.nodes:
            until(lambda node=node: len(node.api.node_names()) == self._count, "the nodes know each other", 20)
        return self

    def balance(self, kind: type[HAProxy] | type[Nginx] = HAProxy) -> Any:
        self.balancer = kind(self.directory, [node.client for node in self.nodes]).start()
        return self.balancer

    def publish(self, rate: float = 100, *, publishers: int = 2, nodes: list[Node] | None = None, channels: list[str] | None = None,
                **options: Any) -> None:  # fmt: skip
        addresses = [node.admin for node in nodes or self.nodes]
        for _ in range(publishers):
            name = f"publisher-{next(self._names)}"
            self.publishers.append(
                Publisher(name, self.log, addresses, channels or self.channels, rate / publishers, self.seed, **options).start())

    def listen(self, centrifuge: int = 12, streams: int = 8, *, address: str | None = None) -> list[Client]:
        """Clients, spread over the nodes, and waited for."""
        added = []
        for index in range(centrifuge):
            target = address or self.nodes[index % len(self.nodes)].client
            added.append(self.crowd.add(CentrifugeClient, target, self.channels, f"centrifuge-{next(self._names)}"))
        for index in range(streams):
            target = address or self.nodes[index % len(self.nodes)].client
            channel = self.channels[index % len(self.channels)]
            added.append(self.crowd.add(StreamClient, target, [channel], f"stream-{next(self._names)}"))
        until(lambda: self.crowd.subscribed == self.subscriptions, f"{self.subscriptions} subscriptions", 30)
        return added

    # -- what happens

    def delivered(self) -> int:
        return sum(event.kind == "publication" for event in self.log.events)

    def delays(self, since: float = 0, of: set[str] | None = None) -> list[float]:
        """From each call of a publisher to each client (or some of them) that was delivered it, in seconds."""
        begun = {one.id: one.begun for one in self.log.publishes if one.begun >= since}
        return [
            event.at - begun[event.id] for event in self.log.events
            if event.kind == "publication" and event.id in begun and (of is None or event.client in of)
        ]  # fmt: skip

    @staticmethod
    def slowest(delays: list[float]) -> float:
        """What 99 of 100 are below."""
        return sorted(delays)[int(len(delays) * 0.99)]

    def flows(self, count: int = 100, seconds: float = 30) -> float:
        """Waits until so many more publications have been delivered; returns how long that took."""
        before, began = self.delivered(), time.monotonic()
        until(lambda: self.delivered() >= before + count, f"{count} more deliveries", seconds)
        return time.monotonic() - began

    def acknowledged_on_all(self) -> float:
        """Waits until something that is published from now on was delivered on every node; returns how long that took."""
        began = self.log.now()

        def seen() -> bool:
            fresh = {one.id for one in self.log.publishes if one.begun > began and one.outcome == "ok"}
            on = {event.client for event in self.log.events[-5000:] if event.kind == "publication" and event.id in fresh}
            return len(on) >= len(self.crowd.clients) * 0.9

        until(seen, "fresh publications everywhere", 40)
        return self.log.now() - began

    @property
    def subscriptions(self) -> int:
        return sum(len(client.channels) for client in self.crowd.clients)

    @property
    def announcements(self) -> Counter[tuple[str, str]]:
        """How often each subscription, a client and a channel, was told of a loss."""
        return Counter((event.client, event.channel) for event in self.log.events if event.kind == "announced")

    @property
    def told(self) -> int:
        """Subscriptions that were told of a loss."""
        return len(self.announcements)

    @property
    def most_told(self) -> int:
        """How often the subscription that was told of a loss most often was told."""
        return max(self.announcements.values(), default=0)

    @property
    def lost(self) -> list[Publish]:
        """What was acknowledged and is not in the history in the end; once it has settled."""
        kept = {id for entries in self.log.final.values() for _, _, id in entries}
        return [one for one in self.log.publishes if one.outcome == "ok" and one.id not in kept]

    def linked_again(self, seconds: float = 30) -> float:
        """Waits until every node hears itself through Redis; returns how long that took."""
        began = self.log.now()
        until(lambda: all(node.api.is_ready() for node in self.nodes if node.is_running), "all nodes are linked", seconds)
        return self.log.now() - began

    def all_told(self, seconds: float = 10) -> float:
        """Waits until every subscription was told of a loss; returns when the last one was."""
        until(lambda: self.told == self.subscriptions, "all subscriptions are told", seconds)
        return max(event.at for event in self.log.events if event.kind == "announced")

    def metric(self, name: str, nodes: list[Node] | None = None) -> float:
        """Over all nodes that run, or some of them."""
        return sum(node.api.metric(name) for node in nodes or self.nodes if node.is_running)

    def figure(self, name: str, value: str) -> None:
        self._figure(Figure(name, value))

    def bounded(self, name: str, value: float, most: float, unit: str = "s") -> None:
        """A figure that may not be more than that; when it is, the verdict says so."""
        is_time = unit == "s"
        self._figure(Figure(name, f"{value:.2f} s" if is_time else f"{value:g} {unit}".strip(), value, most, is_time))

    def _figure(self, figure: Figure) -> None:
        self.figures.append(figure)
        print(f"  {figure}", flush=True)

    # -- the end

    def settle(self, *, seconds: float = 30) -> None:
        """Nothing is published any more, and everybody has what there is."""
        for publisher in self.publishers:
            publisher.stop()
        tops = {}
        node = next(node for node in self.nodes if node.is_running)
        for channel in self.channels:
            entries, since = [], None
            while True:
                # A node that can hear, and nobody has asked anything, may only notice now that it cannot speak.
                path = f"/api/v1/channels/{channel}/history"
                page = until(lambda: node.api.get(path, since=since, limit=1000), "history can be read", 40)  # noqa: B023
                for entry in page["publications"]:
                    epoch, offset = entry["position"].split(":")
                    entries.append((epoch, int(offset), json.loads(entry["text"])["id"]))
                    since = entry["position"]
                if len(page["publications"]) < 1000:
                    break
            self.log.final[channel] = entries
            tops[channel] = int(page["top"].split(":")[1])

        def caught_up() -> bool:
            for client in self.crowd.clients:
                for channel in client.channels:
                    if channel not in client.places:
                        return False
                    if channel in client.known and client.offset(client.known[channel][1]) < tops[channel]:
                        return False
            return True

        try:
            until(caught_up, "everybody has everything", seconds)
        except AssertionError:
            # The oracle says what is missing.
            pass

    def verdict(self, *, clean: bool = True) -> Verdict:
        """Settles, judges, draws; `clean`: whether anything may be wrong."""
        self.settle(seconds=30 if clean else 3)
        verdict = judge(self.log)
        print(f"  {verdict}", flush=True)
        self._noted({
            "name": self.name, "seed": self.seed, "acknowledged": verdict.acknowledged, "deliveries": verdict.deliveries,
            "announcements": verdict.announcements, "false": verdict.false_announcements, "violations": len(verdict.violations) if clean else 0,
            "planted": 0 if clean else len(verdict.violations),
            "figures": [figure.json() for figure in self.figures],
        })  # fmt: skip
        Report(self.name, self.seed, self.log, verdict, self.figures).write(self._report)
        if verdict.violations:
            self.log.write(self._report.with_suffix(".json"), name=self.name, seed=self.seed)
        if clean:
            shown = "\n".join(str(one) for one in verdict.violations[:20])
            assert not verdict.violations, f"{len(verdict.violations)} violations, seed {self.seed}:\n{shown}"
            assert verdict.acknowledged > 0 and verdict.deliveries > 0, "nothing happened that could be judged"
            exceeded = [str(figure) for figure in self.figures if figure.is_exceeded]
            assert not exceeded, f"more than is asked (times: {leniency():g} times as much), seed {self.seed}: {exceeded}"
        return verdict
