"""Random bytes on both ports: the node goes on serving, keeps its memory and its files, and stays calm."""

import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest

from rig.node import Node
from rig.receivers import WebsocketsClient
from rig.waiting import until
from rig.wire import frame, upgrade

#: Attackers at the same time, on each port.
ATTACKERS = 3
#: What the node may grow by meanwhile, in bytes. Buffers and caches warm up; a leak of a kilobyte for each of the
#: thousands of connections would be more.
GROWTH = 48 << 20


def noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice([1, 7, 100, 2000, 70_000]))


def mutated(chance: random.Random, good: bytes) -> bytes:
    """Something right, with a few bytes changed, left out or doubled."""
    data = bytearray(good)
    for _ in range(chance.randint(1, 8)):
        if not data:
            break
        place = chance.randrange(len(data))
        what = chance.random()
        if what < 0.5:
            data[place] = chance.randrange(256)
        elif what < 0.75:
            del data[place : place + chance.randint(1, 9)]
        else:
            data[place:place] = data[place : place + chance.randint(1, 40)]
    return bytes(data)


def strange_frame(chance: random.Random) -> bytes:
    length = None
    if chance.random() < 0.2:
        length = b"\x7f" + struct.pack(">Q", chance.getrandbits(64))
    return frame(
        chance.randbytes(chance.choice([0, 1, 10, 125, 126, 3000])),
        mask=chance.random() < 0.8,
        first=chance.randrange(256) if chance.random() < 0.6 else 0x80 | chance.choice([1, 2, 8, 9, 10]),
        length=length,
    )


def client_bytes(chance: random.Random) -> list[bytes]:
    path = chance.choice(["/raw?channel=noise", "/sse?channel=noise", "/connection/websocket", "/health"])
    what = chance.random()
    if what < 0.2:
        return [noise(chance) for _ in range(3)]
    if what < 0.4:
        return [mutated(chance, upgrade(path))]
    if path == "/connection/websocket" and what < 0.7:
        command = b'{"id":1,"connect":{"token":"x","data":{"a":[1,2,{"b":null}]}}}\n{"id":2,"subscribe":{"channel":"noise"}}'
        return [upgrade(path), *(frame(mutated(chance, command)) for _ in range(4))]
    return [upgrade(path), *(strange_frame(chance) for _ in range(6)), noise(chance)]


def admin_bytes(chance: random.Random) -> list[bytes]:
    body = b'{"channel":"noise","data":{"a":[1,2.5,"x\\u00e9"]},"except":[]}'
    good = chance.choice([
        b"GET /api/v1/connections?limit=5&cursor=abc HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/channels?prefix=%s HTTP/1.1\r\nHost: x\r\n\r\n" % chance.randbytes(8).hex().encode(),
        b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (len(body), mutated(chance, body)),
        b"POST /api/v1/connections/abc/close HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ])  # fmt: skip
    return [noise(chance)] if chance.random() < 0.2 else [mutated(chance, good), noise(chance)]


def attack(port: int, script: Callable[[random.Random], list[bytes]], seed: int, until_time: float, count: list[int]) -> None:
    chance = random.Random(seed)
    while time.monotonic() < until_time:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                connection.settimeout(0.05)
                for piece in script(chance):
                    connection.sendall(piece)
                    if chance.random() < 0.5:
                        connection.recv(4096)
                if chance.random() < 0.3:
                    # Reset instead of a polite end.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        count[0] += 1


def assault(node: Node, seconds: float) -> None:
    seed = int(os.environ.get("RANDOM_SEED", random.randrange(1 << 32)))
    print(f"RANDOM_SEED={seed}")
    listener = WebsocketsClient(node.client, "steady")
    # Warm first, so that what is compared is not the start.
    warm: list[int] = [0]
    attack(node.client_port, client_bytes, seed, time.monotonic() + 1, warm)
    attack(node.admin_port, admin_bytes, seed, time.monotonic() + 1, warm)
    memory, files = node.resident_bytes(), node.open_files()
    counts = [[0] for _ in range(2 * ATTACKERS)]
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(
            target=attack,
            args=(port, script, seed + 1 + index, end, counts[2 * index + side]),
            daemon=True,
        )
        for index in range(ATTACKERS)
        for side, (port, script) in enumerate([(node.client_port, client_bytes), (node.admin_port, admin_bytes)])
    ]
    for thread in threads:
        thread.start()
    sent = 0
    # Who behaves is served all the while.
    while time.monotonic() < end:
        node.api.publish("steady", text=str(sent))
        sent += 1
        until(lambda: len(listener.received) == sent, f"publication {sent} during the noise", 10)
        time.sleep(0.05)
    for thread in threads:
        thread.join(10)
    total = sum(count[0] for count in counts)
    print(f"{total} connections of noise, {sent} publications beside it")
    assert total > 10 * seconds
    assert listener.received == [str(number) for number in range(sent)] and listener.closed is None
    assert node.is_running and node.api.is_ready()
    until(lambda: node.open_files() <= files + 5, "its files are given back", 30)
    assert node.resident_bytes() < memory + GROWTH, f"{memory >> 20} → {node.resident_bytes() >> 20} MiB"
    assert "Fatal error" not in node.output()
    assert node.log.stat().st_size < 1 << 20, "what strangers do must not fill a disk"
    listener.close()


def test_20_seconds_of_random_bytes(node: Node) -> None:
    assault(node, 20)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_10_minutes_of_random_bytes(node: Node) -> None:
    assault(node, 600)
