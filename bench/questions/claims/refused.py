# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""List published claims that are not in the catalogue, each with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Hold a published statement that nothing here can test."""

    id: str
    statement: str
    sources: str
    reason: str


REFUSED: Final = (
    Refused(
        id="rb-edge-barrier",
        statement="edge-triggered epoll saves wake-ups, and loses some without a full barrier on "
        "the consumer's position",
        sources="kernel-patches/bpf#5363, aya-rs/aya#294",
        reason="the interleaving that strands a record is too rare for a run of minutes; "
        "--poll edge-bare tries it",
    ),
    Refused(
        id="zero-copy-reads",
        statement="reading without a copy is 1.18 times as fast at 128 bytes, 6.4 at 2.4 KiB",
        sources="cilium/ebpf#1979",
        reason="every reader here copies the same 72 bytes of a record, however long it is",
    ),
)
