# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the process that draws: what it is given comes back drawn, and what fails is reported."""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.errors import JournalError, MachineUnfit
from bench.host import process
from bench.report.converter import Converter
from bench.report.draw import element

POINT: dict[str, Any] = {
    "data": {"values": [{"words": '<b>&"it"</b> 1.23456'}]},
    "mark": "point",
    "encoding": {"description": {"field": "words", "type": "nominal"}},
}


@pytest.mark.slow
def test_what_fails_is_reported_and_the_rest_drawn() -> None:
    with Converter() as converter:
        bad = converter.svg({"mark": "point", "data": {"url": "file:///nowhere"}, "layer": 7})
        good = converter.svg(POINT)
        with pytest.raises(JournalError, match="a chart cannot be drawn") as caught:
            bad.result()
        assert "\n" not in str(caught.value)
        assert good.result().startswith("<svg")


TIGHT = f"""
import resource, sys
from bench.errors import MachineUnfit
from bench.report.converter import Converter
resource.setrlimit(resource.RLIMIT_AS, (700 << 20, resource.RLIM_INFINITY))
with Converter() as converter:
    try:
        converter.svg({POINT!r}).result()
    except MachineUnfit as error:
        print(error)
"""


@pytest.mark.slow
def test_too_little_address_space_to_draw_is_one_line() -> None:
    # In a process of its own: this one has taken more than that already.
    done = process.run([sys.executable, "-c", TIGHT], timeout_s=60)
    assert "raise ulimit -v, which is 716800 KiB" in done.stdout
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_a_process_that_has_gone_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "resource.getrlimit",
        lambda limit: (700 << 20 if limit == resource.RLIMIT_AS else resource.RLIM_INFINITY, 0),
    )
    with Converter() as converter:
        converter.svg(POINT).result()
        assert converter._child.pid
        os.kill(converter._child.pid, signal.SIGKILL)
        with pytest.raises(MachineUnfit, match="has ended; raise ulimit -v, which is 716800 KiB"):
            converter.svg(POINT).result()


def test_marks_are_named_by_titles_and_the_chart_by_its_name() -> None:
    with Converter() as converter:
        text = element(converter.svg(POINT).result(), "p", "x", 'storm "<i>"')
    assert text.startswith('<svg role="img" aria-label="storm &quot;&lt;i&gt;&quot;"')
    # The words of a mark keep their digits, and its place loses what cannot be seen.
    assert "&lt;b&gt;&amp;" in text
    assert "1.23456</title>" in text
    assert "<b>" not in text
    assert text.count("role=") == 1


def test_ctrl_c_is_not_for_it_to_answer_from_its_birth_on() -> None:
    with Converter() as converter:
        status = Path(f"/proc/{converter._child.pid}/status").read_text()
    (blocked,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:"))
    assert int(blocked, 16) & 1 << (signal.SIGINT - 1)
