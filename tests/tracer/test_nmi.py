# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from bench.tracer import nmi


def test_symbols_that_are_not_told_are_named(tmp_path: Path) -> None:
    kallsyms = tmp_path / "kallsyms"
    kallsyms.write_text("ffffffff81000000 T do_exit\ngarbage\n")
    told = nmi.source(kallsyms)
    assert not told.startswith("none") or "its address is not told" in told


@pytest.mark.live
def test_what_is_named_as_a_source_was_opened() -> None:
    told = nmi.source()
    assert told.startswith(("none: ", "hardware counter", "breakpoint on"))
    if told.startswith("none: "):
        assert told.count(": ") >= 4  # each of the three has its reason
