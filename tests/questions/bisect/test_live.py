# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find a real kernel whose reserve function was lengthened, among its like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from patched_kernel import longer
from real_kernels import provided
from tracing import bufbench

MORE = 7


@pytest.mark.guests
@pytest.mark.live
@pytest.mark.slow
def test_an_added_path_is_found(tmp_path: Path) -> None:
    image = provided("6.1").vmlinuz.read_bytes()
    patched = longer(image, MORE)
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(1, 9):
        content = image if number < 4 else patched
        (folder / f"build{number}").write_bytes(content + bytes([number]))  # no two are the same
    done = bufbench(
        *("kernels", "bisect", "build1", "build8", "--test", "reserve-submit@72:+0", "--json"),
        *("--images", str(folder), "--output", str(tmp_path / "out")),
        timeout_s=900,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["last_good"], found["first_bad"]) == ("build3", "build4")
    assert found["boots"] <= found["most_boots"] == 2 + 3 + 2
    values = {each["kernel"]: each["readings"][0]["value"] for each in found["tried"]}
    assert values["build8"] - values["build1"] == MORE
    assert set(values.values()) == {values["build1"], values["build8"]}
