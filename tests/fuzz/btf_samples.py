# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make small BTF that has all that the tracer looks for, and some that goes in circles.

Source of the format: Documentation/bpf/btf.rst.
"""

from __future__ import annotations

import struct
from typing import Final

_MAGIC: Final = 0xEB9F
_INT, _PTR, _STRUCT, _UNION, _CONST = 1, 2, 4, 5, 10

_WANTED: Final = {
    "task_struct": (
        "signal", "group_leader", "real_parent", "children", "start_time", "tgid", "comm",
        "exit_code",
    ),
    "signal_struct": ("live", "nr_threads", "flags", "group_exit_code", "pids"),
    "pid": ("level", "numbers"),
    "upid": ("nr", "ns"),
    "ns_common": ("inum",),
    "bpf_ringbuf": ("spinlock", "consumer_pos"),
}  # fmt: skip


class _Writer:
    def __init__(self) -> None:
        self._types = b""
        self._strings = b"\0"
        self._count = 0

    def _name(self, name: str) -> int:
        if not name:
            return 0
        at = len(self._strings)
        self._strings += name.encode() + b"\0"
        return at

    def add(self, kind: int, name: str, size_or_type: int, rest: bytes = b"", many: int = 0) -> int:
        self._types += struct.pack("=III", self._name(name), kind << 24 | many, size_or_type) + rest
        self._count += 1
        return self._count

    def composite(self, kind: int, name: str, *members: tuple[str, int]) -> int:
        """Make a composite type of ``members``: names and types, eight bytes apart."""
        rest = b"".join(
            struct.pack("=III", self._name(each), type_id, at * 64)
            for at, (each, type_id) in enumerate(members)
        )
        return self.add(kind, name, 8 * len(members), rest, len(members))

    def blob(self) -> bytes:
        sizes = 0, len(self._types), len(self._types), len(self._strings)
        return struct.pack("=HBBIIIII", _MAGIC, 1, 0, 24, *sizes) + self._types + self._strings


def _whole() -> bytes:
    made = _Writer()
    number = made.add(_INT, "long", 8, struct.pack("=I", 64))
    pointer = made.add(_PTR, "", number)
    for name, members in _WANTED.items():
        made.composite(_STRUCT, name, *((each, number) for each in members))
    common = 2 + list(_WANTED).index("ns_common") + 1
    made.composite(_STRUCT, "pid_namespace", ("ns", common), ("level", pointer))
    inside = made.composite(_UNION, "", ("deep", number), ("other", number))
    constant = made.add(_CONST, "", inside)
    made.composite(_STRUCT, "outer", ("plain", number), ("", constant), ("", inside))
    return made.blob()


def circles(many: int = 3) -> bytes:
    """Return a structure that holds itself, namelessly, and a type that is a constant of itself."""
    made = _Writer()
    made.composite(_STRUCT, "outer", *[("", 1)] * many, ("", 2))
    made.composite(_STRUCT, "", *[("", 1)] * many, ("", 2), ("", 3))
    made.add(_CONST, "", 3)
    return made.blob()


def samples() -> tuple[bytes, ...]:
    """Return seeds for the reader of BTF."""
    return _whole(), circles(), b"", struct.pack("=H", _MAGIC)
