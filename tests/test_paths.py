# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

import re

from bench import paths


def test_bpf_sources_are_there() -> None:
    assert (paths.bpf_sources() / "ringbuf/exitsnoop.bpf.c").is_file()
    assert (paths.bpf_sources() / "perfbuf/exitsnoop.bpf.c").is_file()


def test_a_journal_is_named_after_what_was_run_and_when() -> None:
    assert re.fullmatch(r"results/quick-\d{8}-\d{6}\.jsonl", str(paths.new_journal("quick")))
