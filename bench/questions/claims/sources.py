# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find the addresses of the sources that claims name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_KERNEL: Final = "https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git"
_KNOWN: Final = {
    "TUT": "https://eunomia.dev/tutorials/8-exitsnoop/",
    "BLOG": "https://nakryiko.com/posts/bpf-ringbuf/",
    "DOC": "https://docs.kernel.org/bpf/ringbuf.html",
    "BENCH": f"{_KERNEL}/log/tools/testing/selftests/bpf/benchs/bench_ringbufs.c",
    "LOG": f"{_KERNEL}/log/kernel/bpf/ringbuf.c",
}
_SOURCE: Final = re.compile(
    rf"\b({'|'.join(_KNOWN)})\b|kernel commit ([0-9a-f]{{12}})|https://[^\s,;]+"
    r"|([\w.-]+/[\w.-]+)(?:#(\d+))?"
)


def links(sources: str) -> Iterator[tuple[str, str]]:
    """Yield each source that has an address, and its address: "h2o/h2o#2800" is GitHub's."""
    for found in _SOURCE.finditer(sources):
        known, commit, repository, issue = found.groups()
        place = found[0]
        if commit:
            place = f"{_KERNEL}/commit/?id={commit}"
        elif repository:
            place = f"https://github.com/{repository}" + (f"/issues/{issue}" if issue else "")
        yield found[0], _KNOWN.get(known, place)
