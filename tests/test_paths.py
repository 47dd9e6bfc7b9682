# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

import stat
from pathlib import Path

from bench import paths


def test_bpf_sources_are_there() -> None:
    assert (paths.bpf_sources() / "ringbuf/exitsnoop.bpf.c").is_file()
    assert (paths.bpf_sources() / "perfbuf/exitsnoop.bpf.c").is_file()


def test_a_private_folder_is_private_and_goes() -> None:
    with paths.private_folder() as name:
        folder = Path(name)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
