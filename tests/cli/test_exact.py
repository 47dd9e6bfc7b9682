# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench kernels exact as people run it, with a QEMU that boots nothing."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import made_up_qemu
import pytest
from made_up_archive import arm64_image
from made_up_exact import SYMBOLS, all_calls, blocks, kernel, report, study
from tracing import bufbench, within

from bench.errors import BufbenchError, ExitCode
from bench.guests import machines, reproducible
from bench.report import renderers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    from bench.cli import app

CALL = ("reserve-submit", 72)
OLD, NEW = report(all_calls()), report({**all_calls(), CALL: 190})


@pytest.fixture
def path(tmp_path: Path) -> dict[str, str]:
    return made_up_qemu.install(tmp_path)


def test_a_lost_guest_costs_its_row_alone(path: dict[str, str], tmp_path: Path) -> None:
    """Give each its reason in a line, and boot none again."""
    nothing = tmp_path / "nothing"
    nothing.write_bytes(bytes(70_000))
    names = ("hangs", "panics", "refuses")
    lost = [made_up_qemu.image(tmp_path, name) for name in names]
    torn = made_up_qemu.image(tmp_path, "torn", OLD[:500])
    good = made_up_qemu.image(tmp_path, "good", OLD)
    kernels = (*lost, torn, str(nothing), good)
    done = within("kernels", "exact", *kernels, "--json", "--time-limit", "10", **path)
    assert done.returncode == 0, done.stderr
    found = {Path(each["label"]).name: each for each in json.loads(done.stdout)["kernels"]}
    assert found["hangs"]["reason"] == "hung: not over after 10 s, its console is empty"
    assert found["panics"]["reason"] == "Kernel panic - not syncing: made up"
    assert found["refuses"]["reason"] == (
        "QEMU did not run it: qemu: -icount is not allowed with hardware virtualization"
    )
    assert "ended early" in found["torn"]["reason"]
    assert "is not a kernel image" in found["nothing"]["reason"]
    assert found["good"]["reason"] == ""
    assert all(each["reproducible"] for each in found["good"]["calls"])
    assert sorted(made_up_qemu.booted(tmp_path)) == ["good"] * 3 + sorted((*names, "torn"))


def test_two_runs_are_equal_and_show_what_is_kept(path: dict[str, str], tmp_path: Path) -> None:
    image = made_up_qemu.image(tmp_path, "good", OLD)
    words = ("kernels", "exact", image, "--json")
    first = bufbench(*words, **path)
    again = bufbench(*words, "--jobs", "3", "--keep", str(tmp_path / "kept"), **path)
    assert first.stdout == again.stdout
    assert {each.name for each in (tmp_path / "kept").glob("*/*/report.txt")} == {"report.txt"}
    refused = within(*words, "--keep", str(tmp_path / "kept"), **path)
    assert (refused.returncode, "is not empty" in refused.stderr) == (2, True)


def test_gates(path: dict[str, str], tmp_path: Path) -> None:
    """Compare with the first kernel, and with a baseline."""
    old = made_up_qemu.image(tmp_path, "old", OLD)
    new = made_up_qemu.image(tmp_path, "new", NEW)
    gate, whole = ("--fail-on", "reserve-submit:+0"), tmp_path / "exact.json"
    done = within("kernels", "exact", old, new, *gate, "--json", "--output", str(whole), **path)
    assert done.returncode == 1
    assert "reserve-submit takes 89 instructions more on" in done.stderr
    held = within("kernels", "exact", new, "--baseline", str(whole), *gate, **path)
    assert held.returncode == 0, held.stderr


def test_what_was_written_is_shown_and_judged_again(tmp_path: Path) -> None:
    whole = tmp_path / "exact.json"
    kernels = kernel("6.1", all_calls()), kernel("7.3", {**all_calls(), CALL: 190})
    whole.write_text(renderers.find("json")(data=study(*kernels)))
    words = ("kernels", "exact", "--from", str(whole), "--fail-on", "all:+0")
    done = within(*words, "--format", "markdown")
    assert done.returncode == 1
    assert "| reserve-submit, 72 bytes | 101 | 190 +89 |" in done.stdout
    assert within(*words, "--baseline", str(whole)).returncode == 0


def test_a_mode_that_moves_with_the_seed(path: dict[str, str], tmp_path: Path) -> None:
    image = made_up_qemu.image(tmp_path, "moves", OLD, NEW)
    done = within("kernels", "exact", image, **path)
    assert done.returncode == 0
    shown = " ".join(done.stdout.split())  # it is wrapped
    assert "not reproducible: reserve-submit (101 with seed 1, 190 with seed 2)" in shown
    assert shown.startswith("ring-output of 72 bytes takes 109 instructions")


def test_two_architectures(tmp_path: Path) -> None:
    """Boot each on a machine of its own; their counts are shown, but not compared."""
    path = made_up_qemu.install(tmp_path, "x86_64", "aarch64")
    foreign = report({**all_calls(), CALL: 190}, machine="aarch64")
    old, new = (made_up_qemu.image(tmp_path, name, OLD) for name in ("old", "new"))
    arm64 = made_up_qemu.image(tmp_path, "Image", foreign, header=arm64_image())
    named = made_up_qemu.image(tmp_path, "Image-arm64", OLD)
    words = ("kernels", "exact", arm64, old, new, named, "--json")
    done = within(*words, "--fail-on", "all:+0", **path)
    assert done.returncode == 1
    assert f"{arm64} is compared with none: no other is for aarch64" in done.stderr
    assert "Image-arm64 is an image of amd64, though named arm64" in done.stderr.splitlines()[-1]
    found = json.loads(done.stdout)
    assert [each["machine"] for each in found["kernels"]] == ["aarch64", "x86_64", "x86_64", ""]
    assert "neoverse-n1,cntfrq=1000000000" in found["options"]
    assert "console=ttyAMA0" in found["parameters"]
    (other,) = found["others"]
    assert "clearcpuid=112,141,297,580" in other["parameters"]
    assert other["program_sha256"] != found["program_sha256"]
    done = within(*words[:-2], "--fail-on", "all:+0", **path)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("path")
def test_without_the_qemu_of_one_architecture(tmp_path: Path) -> None:
    """Give its kernels their rows, and fetch none of archives."""
    arm64 = made_up_qemu.image(tmp_path, "Image", OLD, header=arm64_image())
    old = made_up_qemu.image(tmp_path, "old", OLD)
    (tmp_path / "cp").symlink_to(shutil.which("cp") or "")
    words = ("kernels", "exact", "6.12-arm64", old, arm64, "--json")
    done = within(*words, PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    lacks = "qemu-system-aarch64 is missing; apt-get install qemu-system-arm"
    reasons = [each["reason"] for each in json.loads(done.stdout)["kernels"]]
    assert reasons == [lacks, "", lacks]


def explained(folder: Path, name: str, reserve: int) -> str:
    """Make an image whose guest reports that many instructions of CALL, and their functions."""
    image = made_up_qemu.image(folder, name, report({**all_calls(), CALL: reserve + 26 + 5}))
    Path(f"{image}.blocks").write_bytes(blocks((1, reserve, 26)))
    Path(f"{image}.symbols").write_bytes(SYMBOLS)
    return image


def test_functions_are_named_where_qemu_takes_a_plugin(
    path: dict[str, str], tmp_path: Path
) -> None:
    path["BUFBENCH_TEST_PLUGIN"] = "taken"
    old, new = explained(tmp_path, "old", 70), explained(tmp_path, "new", 79)
    whole = tmp_path / "exact.json"
    gate = ("--fail-on", "reserve-submit:+0", "--json", "--output", str(whole))
    done = within("kernels", "exact", old, new, *gate, **path)
    assert "(110 at 72 bytes): __bpf_reserve +9" in done.stderr
    first = json.loads(whole.read_text())["kernels"][0]
    assert first["unexplained"] == ""
    assert first["calls"][0]["functions"] == [
        {"name": "__bpf_reserve", "instructions": 70},
        {"name": "lock", "instructions": 26},
        {"name": "(BPF program)", "instructions": 5},
    ]
    assert len(made_up_qemu.booted(tmp_path)) == 6


def test_a_plugin_that_changes_the_guest_is_left_out(path: dict[str, str], tmp_path: Path) -> None:
    path["BUFBENCH_TEST_PLUGIN"] = "taken"
    image = explained(tmp_path, "old", 70)
    Path(f"{image}.disturbed").write_bytes(NEW)
    done = within("kernels", "exact", image, "--json", **path)
    (found,) = json.loads(done.stdout)["kernels"]
    assert found["unexplained"] == "with the plugin its guest did something else"
    assert all(each["reproducible"] and not each["functions"] for each in found["calls"])


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "this QEMU is built without plugins"),
        ("its plugin API is version 9", "its plugin API is version 9"),
    ],
)
def test_without_a_plugin_all_else_is_counted(
    said: str, why: str, path: dict[str, str], tmp_path: Path
) -> None:
    image = explained(tmp_path, "old", 70)
    done = within("kernels", "exact", image, "--json", BUFBENCH_TEST_PLUGIN=said, **path)
    assert f"functions are left out: {why}" in done.stderr
    (found,) = json.loads(done.stdout)["kernels"]
    assert found["unexplained"] == why
    assert all(each["reproducible"] for each in found["calls"])


def test_no_kernel_counted_is_exit_code_3(path: dict[str, str], tmp_path: Path) -> None:
    done = within("kernels", "exact", made_up_qemu.image(tmp_path, "refuses"), **path)
    assert done.returncode == 3
    assert "no kernel was counted" in done.stderr.splitlines()[-1]


def test_without_qemu(tmp_path: Path) -> None:
    image = made_up_qemu.image(tmp_path, "good", OLD)
    done = bufbench("kernels", "exact", image, PATH=str(tmp_path))
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == (
        "bufbench: qemu-system-x86_64 is missing; apt-get install qemu-system-x86"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no kernel is named"),
        (("host",), "host is not booted"),
        (("6.1", "6.1"), "two kernels would both be 6.1"),
        (("6.1", "--fail-on", "all:+0"), "--fail-on compares kernels, and there is one"),
        (("6.1", "7.3", "--fail-on", "drops"), "no gate 'drops'"),
        (("6.1", "--baseline", "x"), "--baseline is for gates"),
        (("6.1", "--from", "x"), "--from boots no kernel"),
        (("--from", "x", "--jobs", "2"), "--jobs has no effect"),
        (("--from", "/nowhere"), "/nowhere cannot be read"),
        (("6.1", "--json", "--format", "html"), "--json contradicts --format html"),
        (("6.1", "--time-limit", "nan"), "--time-limit nan"),
        (("6.1", "--jobs", "0"), "--jobs 0"),
        (("./none", "--sources", "x"), "--sources has no effect"),
        (("./none",), "kernel image ./none: No such file"),
    ],
)
def test_wrong_usage_costs_nothing(
    words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def booted(*_: Any, **__: Any) -> None:
        raise AssertionError("a guest would have been booted")

    monkeypatch.setattr(reproducible, "boots", booted)
    monkeypatch.setattr(machines.Machine, "qemu", lambda _: "qemu")
    with pytest.raises(BufbenchError) as error:
        app.run(["kernels", "exact", *words])
    assert error.value.exit_code == ExitCode.USAGE
    assert said in str(error.value)
