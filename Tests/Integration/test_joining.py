"""Who subscribes while publications are coming misses nothing from then on, and gets nothing twice."""

import random
import threading
from typing import Any

from rig.cluster import Cluster
from rig.receivers import WebsocketsClient
from rig.waiting import until
from rig.wire import TEXT, Wire, frame

#: Publications in all, and how many clients come and go meanwhile.
PUBLICATIONS = 20_000
JOINERS = 150


def check_run(texts: list[str], last: int) -> None:
    """Numbers without a gap up to the last one."""
    numbers = [int(text) for text in texts]
    assert numbers, "nothing came"
    assert numbers == list(range(numbers[0], last + 1)), next(
        f"{b} after {a}" for a, b in zip(numbers, numbers[1:] + [0]) if b != a + 1
    )


def test_joining_during_a_fan_out_neither_skips_nor_repeats(cluster: Cluster) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    publisher = Wire(cluster.nodes[0].client_port).open("/raw?channel=numbers")
    # Its own copies have to be read, or the node stops reading it.
    own: list[bytes] = []
    reader = threading.Thread(target=read_all, args=(publisher, own), daemon=True)
    reader.start()

    staying: list[WebsocketsClient] = []
    joined = 0
    for number in range(PUBLICATIONS):
        publisher.send(frame(str(number).encode()))
        if joined < JOINERS and chance.random() < 2 * JOINERS / PUBLICATIONS:
            joined += 1
            client = WebsocketsClient(chance.choice(cluster.nodes).client, "numbers")
            if chance.random() < 0.3:
                # Leaving in the middle must not disturb the others.
                client.close()
                if len(client.received) > 1:
                    check_run(client.received, int(client.received[-1]))
            else:
                staying.append(client)
    assert len(staying) > JOINERS // 3
    last = PUBLICATIONS - 1
    for client in staying:
        until(lambda: client.received and client.received[-1] == str(last), "the last number", 60)
        check_run(client.received, last)
        client.close()
    until(lambda: len(own) == PUBLICATIONS, "the publisher's own copies")
    assert own == [str(number).encode() for number in range(PUBLICATIONS)]
    publisher.close()


def read_all(wire: Wire, into: list[bytes]) -> None:
    try:
        while True:
            opcode, payload = wire.read_frame()
            if opcode == TEXT:
                into.append(payload)
    except (OSError, EOFError):
        pass


def test_what_follows_a_confirmed_subscription_is_never_missed(cluster: Cluster) -> None:
    """Each time a channel that no node holds yet: the confirmation has to wait for Redis."""
    for number in range(100):
        channel = f"fresh:{number}"
        client = WebsocketsClient(cluster.nodes[number % 3].client, channel)
        cluster.nodes[(number + 1) % 3].api.publish(channel, text="at once")
        until(lambda: client.received == ["at once"], f"{channel} at once", 5)
        client.close()


def test_several_channels_on_one_session(node: Any) -> None:
    client = WebsocketsClient(node.client, "one&channel=two&channel=one&channel=three")
    for channel in ("three", "one", "four", "two"):
        node.api.publish(channel, text=channel)
    until(lambda: len(client.received) == 3, "three publications")
    assert client.received == ["three", "one", "two"]
    client.send("spoken to the first")
    until(lambda: len(client.received) == 4, "its own")
    assert node.api.subscribers("one") == 1
    client.close()
    until(lambda: node.api.get("/api/v1/channels")["channels"] == [], "no channel without subscribers")


def test_two_publishers_are_seen_in_one_order_everywhere(cluster: Cluster) -> None:
    """Redis decides the order, and every client of every node sees that one."""
    clients = [WebsocketsClient(node.client, "order") for node in cluster.nodes for _ in range(3)]
    publishers = [Wire(node.client_port).open("/raw?channel=order") for node in cluster.nodes]
    readers = [threading.Thread(target=read_all, args=(wire, []), daemon=True) for wire in publishers]
    for reader in readers:
        reader.start()
    count = 2000
    for number in range(count):
        for index, wire in enumerate(publishers):
            wire.send(frame(f"{index}:{number}".encode()))
    for client in clients:
        until(lambda: len(client.received) >= 3 * count, "everything", 60)
        assert client.received == clients[0].received
    for index in range(3):
        mine = [text for text in clients[0].received if text.startswith(f"{index}:")]
        assert mine == [f"{index}:{number}" for number in range(count)]
    for end in [*clients, *publishers]:
        end.close()
