"""How a cluster names its keys and channels in Redis (docs/decisions/0017-partitions.md)."""

import binascii
from functools import cache
from itertools import count

PARTITIONS = 128
_SLOTS = 16_384 // PARTITIONS


def _partition(name: bytes) -> int:
    # CRC16 as Redis Cluster has it.
    return binascii.crc_hqx(name, 0) % 16_384 // _SLOTS


@cache
def _tags() -> list[int]:
    """For each partition the smallest number whose slot is one of the partition's."""
    found: dict[int, int] = {}
    for number in count():
        found.setdefault(_partition(b"%d" % number), number)
        if len(found) == PARTITIONS:
            return [found[partition] for partition in range(PARTITIONS)]
    raise AssertionError


def key(kind: str, channel: str | bytes, prefix: str = "carillon") -> bytes:
    """A key or pub/sub channel that is about a channel: `key("m", "news")` is `carillon:{N}:m:news`."""
    name = channel.encode() if isinstance(channel, str) else channel
    return b"%s:{%d}:%s:%s" % (prefix.encode(), _tags()[_partition(name)], kind.encode(), name)


def partition(channel: str) -> int:
    """The number of a channel's partition."""
    return _partition(channel.encode())


def beginnings(channel: str, prefix: str = "carillon") -> bytes:
    """What channels without publications begin with, in the partition of a channel."""
    return key("m", channel, prefix)[: -len(channel.encode())] + b"$beginnings"
