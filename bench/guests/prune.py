# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What of the store can go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.guests.catalogue import newest
from bench.guests.fetch import MB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.guests.store import Store


def prune(store: Store, *, every: bool) -> Iterator[str]:
    """Remove kernels that a newer one of the series replaces, or ``every`` one and all lists.

    Gives a line for each thing removed, as it goes.
    """
    store.sweep()
    fetched = store.fetched()
    kept = () if every else newest(one.kernel for one in fetched)
    for one in fetched:
        if one.kernel in kept:
            continue
        size_bytes = one.bytes
        if store.remove(one):
            yield f"removed {one.kernel.release}, {size_bytes / MB:.0f} MB"
        else:
            yield f"kept {one.kernel.release}, which is being fetched"
    if every and store.remove_lists():
        yield "removed the archives' lists"
