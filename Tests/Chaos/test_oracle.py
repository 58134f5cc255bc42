"""The oracle itself: it finds what is planted, and nothing where nothing is."""

from collections.abc import Callable

import pytest

from chaos.log import Event, Log, Publish
from chaos.oracle import judge
from chaos.stage import Stage
from chaos.tamper import Tamper


@pytest.mark.parametrize(("fault", "invariant"), [("drop", "I1"), ("duplicate", "I2"), ("swap", "I1"), ("reuse", "I4"), ("nothing", None)])
def test_planted_faults_are_found(stage: Callable[..., Stage], fault: str, invariant: str | None) -> None:
    """Somebody between a node and some of its clients lies about one publication in twenty-five."""
    with stage(nodes=1, channels=2) as scene:
        scene.start()
        liar = Tamper(scene.nodes[0].client, fault, every=25 if invariant else 1_000_000_000)
        scene.listen(3, 2)
        scene.listen(3, 0, address=liar.address)
        scene.publish(150)
        scene.flows(800)
        verdict = scene.verdict(clean=invariant is None)
        liar.stop()
        if invariant is None:
            return
        assert liar.hits > 3
        assert invariant in {one.invariant for one in verdict.violations}, verdict.violations[:5]
        honest = {client.name for client in scene.crowd.clients[:5]}
        assert not {one.client for one in verdict.violations if one.invariant in ("I1", "I2", "I3")} & honest


def made(*events: Event, publishes: list[Publish] | None = None) -> Log:
    log = Log(kept=100)
    log.events = list(events)
    log.publishes = publishes or []
    return log


def published(id: int, offset: int, at: float = 1.0) -> Publish:
    return Publish(id, "a", "p", id, at, at + 0.01, "ok", "e", offset)


def got(id: int, offset: int, at: float, epoch: str = "") -> Event:
    return Event(at, "c", "a", "publication", epoch=epoch, offset=offset, id=id, publisher="p", sequence=id)


BEGUN = Event(0.5, "c", "a", "subscribed", epoch="e", offset=0)
ALL = [published(1, 1), published(2, 2), published(3, 3)]


def test_a_gap_at_the_end_is_found_unless_it_is_announced() -> None:
    log = made(BEGUN, got(1, 1, 1.1), got(2, 2, 1.2), publishes=ALL)
    assert [one.invariant for one in judge(log).violations] == ["I3"]
    log.events.append(Event(2.0, "c", "a", "announced"))
    assert judge(log).violations == []


def test_a_lost_acknowledgement_is_found_unless_it_is_announced() -> None:
    log = made(BEGUN, *(got(id, id, 1 + id / 10) for id in (1, 2, 3)), publishes=ALL)
    log.final["a"] = [("e", 1, 1), ("e", 2, 2)]
    assert [one.invariant for one in judge(log).violations] == ["I5"]
    log.events.append(Event(2.0, "c", "a", "announced"))
    assert judge(log).violations == []


def test_two_payloads_of_one_position_are_found() -> None:
    log = made(BEGUN, got(1, 1, 1.1, "e"), publishes=ALL[:1])
    log.final["a"] = [("e", 1, 9)]
    assert {one.invariant for one in judge(log).violations} >= {"I4"}


def test_a_publication_that_was_tried_again_may_have_a_place_that_was_given_up() -> None:
    log = made(BEGUN, got(1, 1, 1.1), Event(1.2, "c", "a", "announced"), publishes=ALL[:2])
    # A stream saw where it was before its acknowledgement was lost.
    log.events.append(Event(1.15, "s", "a", "publication", epoch="old", offset=9, id=2, publisher="p", sequence=2))
    assert judge(log).violations == []
    log.events.append(Event(1.16, "t", "a", "publication", offset=9, id=2, publisher="p", sequence=2))
    assert judge(log).violations == []
    log.final["a"] = [("e", 1, 1), ("e", 2, 2), ("e", 3, 2)]
    assert {one.invariant for one in judge(log).violations} == {"I4"}


def test_going_on_after_a_recovery_is_no_gap() -> None:
    log = made(
        BEGUN, got(1, 1, 1.1), Event(1.15, "c", "a", "closed"),
        Event(1.2, "c", "a", "subscribed", offset=1, was_recovering=True, recovered=True), got(2, 2, 1.3), got(3, 3, 1.4),
        publishes=ALL)  # fmt: skip
    verdict = judge(log)
    assert verdict.violations == [] and verdict.recoveries == 1
    del log.events[-1]
    assert [one.invariant for one in judge(log).violations] == ["I3"]


def test_an_announcement_without_a_loss_is_found() -> None:
    again = Event(2.1, "c", "a", "subscribed", epoch="f", offset=3, was_recovering=True, recovered=False)
    log = made(BEGUN, got(1, 1, 1.1), Event(2.0, "c", "a", "announced"), again, publishes=ALL)
    log.final = {"a": [("e", id, id) for id in (1, 2, 3)]}
    verdict = judge(log)
    assert [one.invariant for one in verdict.violations] == ["I6"] and verdict.false_announcements == 1
    # One of the publications is gone: then it is right to say so, also to those who never saw that one.
    log.final = {"a": [("e", 1, 1), ("e", 2, 2), ("f", 3, 4)]}
    log.publishes.append(published(4, 3))
    assert judge(log).false_announcements == 0
    # What it had is not what is there now.
    log.publishes.pop()
    log.final = {"a": [("f", 1, 7), ("f", 2, 2), ("f", 3, 3)]}
    assert judge(log).false_announcements == 0
