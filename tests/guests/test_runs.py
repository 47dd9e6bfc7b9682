# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test runs over kernels without a guest: what is requested, what fits, what is done already."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tracing import bufbench

from bench.errors import UsageError
from bench.guests import boot
from bench.guests.boot import Guest
from bench.guests.machines import MACHINES
from bench.guests.sources import Image
from bench.journal.reader import read_journal
from bench.questions.kernels import outcome, run
from bench.questions.kernels.outcome import Outcome, Status
from bench.tracer import loader

GUEST = Guest(cpus=1, memory_mib=1024, time_limit_s=30.0, kvm=False)


def image(label: str, vmlinuz: Path) -> Image:
    return Image(label=label, release="9.9.9", vmlinuz=vmlinuz, modules=None, origin="made up")


def request(folder: Path) -> run.Request:
    return run.Request(
        folder=folder,
        guest=GUEST,
        accelerator=boot.EMULATION,
        jobs=2,
        seed=1,
        command_line=("bufbench",),
    )


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("6.12", "6.12"),
        ("6.12-rt", "6.12-rt"),
        ("6.12.94+deb13-amd64", "6.12.94+deb13-amd64"),
        ("./bzImage", "bzImage"),
        ("vmlinuz:/lib/modules", "vmlinuz_lib_modules"),
        ("../..", "kernel"),
        ("ö", "kernel"),
    ],
)
def test_a_label_becomes_a_folder_of_the_run(label: str, name: str) -> None:
    assert run.folder_name(label) == name


def test_what_is_done_is_left_out_and_what_failed_is_not(tmp_path: Path) -> None:
    for label, status in (("5.10", Status.DONE), ("6.1", Status.HUNG)):
        (tmp_path / label).mkdir()
        outcome.write(
            tmp_path / label,
            Outcome(label=label, status=status, reason="", release="", origin=""),
        )
    assert run.pending(tmp_path, ["5.10", "6.1", "7.3"]) == ["6.1", "7.3"]


def test_a_kernel_that_ended_the_same_way_twice_is_not_tried_a_third_time(tmp_path: Path) -> None:
    panic = "Kernel panic - not syncing: made up"
    lost = {"6.1": panic, "6.12": "another panic", "6.18": ""}
    for label, lost_boot in lost.items():
        (tmp_path / label).mkdir()
        found = Outcome(label=label, status=Status.PANICKED, reason=panic, lost_boot=lost_boot)
        outcome.write(tmp_path / label, found)
    assert run.pending(tmp_path, [*lost]) == ["6.12", "6.18"]


def test_the_first_process_takes_nothing_from_the_kernels_command_line(tmp_path: Path) -> None:
    """It is handed what the kernel does not know, such as nokaslr."""
    init = tmp_path / "init.py"
    init.write_text("import sys; print(sys.argv[1:])")
    path = boot.first_process(tmp_path, Path("/a folder"), script=str(init))
    done = subprocess.run([path, "nokaslr"], capture_output=True, text=True, check=True)
    assert done.stdout == "['/a folder']\n"
    words = [*boot._parameters(replace(GUEST, append=("nokaslr",)), path, MACHINES["amd64"])]
    assert (words[0], words[-1]) == (f"init={path}", "nokaslr")
    assert "--" not in words


@pytest.mark.parametrize(
    ("kvm", "asked", "loads"),
    [(False, "", "prebuilt"), (False, "bcc", "bcc"), (True, "", None), (True, "bcc", "bcc")],
)
def test_emulated_guests_load_what_is_prebuilt(
    kvm: bool, asked: str, loads: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(loader.VARIABLE, raising=False)
    monkeypatch.setattr(loader, "objects", lambda: (Path("x.bpf.o"),))
    if asked:
        monkeypatch.setenv(loader.VARIABLE, asked)
    missing = replace(request(tmp_path), guest=replace(GUEST, kvm=kvm))
    run.run(missing, [image("a", tmp_path / "missing")], lambda _: None)
    order = json.loads((tmp_path / "a" / boot.ORDER).read_text())
    assert order["env"].get(loader.VARIABLE) == loads


def test_two_that_share_a_folder_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bzImage"):
        run.pending(tmp_path, ["./bzImage", "bzImage"])


def test_a_guest_fits_the_machine() -> None:
    usual = boot.fitting(cpus=None, memory_mib=None, jobs=1, available_mib=32_768)
    assert (1 <= usual.cpus <= 4, usual.memory_mib) == (True, 2048)
    small = boot.fitting(cpus=3, memory_mib=None, jobs=2, available_mib=4096)
    assert (small.cpus, small.memory_mib) == (3, 1536)


@pytest.mark.parametrize(
    ("memory_mib", "jobs", "available_mib"),
    [(None, 1, 1024), (4096, 2, 6000), (512, 1, 32_768)],
)
def test_one_that_does_not_fit_is_reported(
    memory_mib: int | None, jobs: int, available_mib: int
) -> None:
    with pytest.raises(UsageError, match=r"GiB; each"):
        boot.fitting(cpus=1, memory_mib=memory_mib, jobs=jobs, available_mib=available_mib)


def test_without_kvm_nothing_is_booted_to_find_out(tmp_path: Path) -> None:
    found = boot.probe(image("x", tmp_path / "none"), GUEST, tmp_path, device=tmp_path / "kvm")
    assert not found.kvm
    assert "kvm" in found.why


def test_a_file_that_is_no_image_costs_its_row_alone(tmp_path: Path) -> None:
    """virtme-ng or QEMU says no; the run goes on to the next and ends."""
    nonsense = tmp_path / "nonsense"
    nonsense.write_bytes(b"no kernel")
    said: list[str] = []
    images = [image("a", nonsense), image("b", tmp_path / "missing")]
    asked = replace(request(tmp_path / "run"), folder=tmp_path / "run")
    found = run.run(asked, images, said.append)
    assert {each.label for each in found} == {"a", "b"}
    for each in found:
        assert each.status is Status.FAILED
        assert "QEMU did not start" in each.reason
        row = json.loads((tmp_path / "run" / each.label / outcome.OUTCOME).read_text())
        assert row["status"] == each.status
        assert row["reason"] == each.reason != ""
    assert any(line.startswith("a: ") for line in said)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["6.1", "--jobs", "0"], "--jobs"),
        (["6.1", "--cpus", "0"], "--cpus"),
        (["6.1", "--cpus", "999"], "--cpus"),
        (["6.1", "--memory", "1"], "MiB"),
        (["6.1", "--time-limit", "1"], "--time-limit"),
        (["6.1", "--resume"], "--output"),
        (["six"], "six"),
        (["./no-such-image"], "no-such-image"),
    ],
)
def test_nonsense_is_reported_in_a_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    where = [] if "--resume" in arguments else ["--output", str(tmp_path / "run")]
    done = bufbench("kernels", "run", *arguments, *where)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert said in line
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.live
def test_a_run_without_any_result_ends_with_3(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense"
    nonsense.write_bytes(b"no kernel")
    folder = tmp_path / "run"
    done = bufbench("kernels", "run", str(nonsense), "--emulate", "--output", str(folder))
    assert done.returncode == 3
    assert "No kernel left a result" in done.stdout  # the report comes first
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("bufbench: ")]
    assert "no kernel gave a result" in line
    assert "QEMU did not start" in line


@pytest.mark.slow
@pytest.mark.live
def test_the_host_itself_is_a_row_without_a_guest(tmp_path: Path) -> None:
    """Cut short by its time limit: what there was time for is whole, and sudo's caller's."""
    folder = tmp_path / "run"
    words = ("kernels", "run", "host", "--output", str(folder), "--time-limit", "40")
    done = bufbench(*words, timeout_s=120, SUDO_UID="12345", SUDO_GID="23456")
    assert done.returncode == 0, done.stderr
    said = json.loads((folder / "host" / outcome.OUTCOME).read_text())
    assert (said["status"], said["release"]) == ("done", platform.release())
    assert said["trials"] == len(read_journal(folder / "host" / outcome.JOURNAL).trials) > 0
    for path in (folder, *folder.rglob("*")):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456), path
