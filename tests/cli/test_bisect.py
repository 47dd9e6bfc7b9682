# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test bufbench kernels bisect and bisect-step as people run them: its QEMU boots nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import made_up_qemu
import pytest
from made_up_exact import all_calls, kernel, report, study
from tracing import BUFBENCH, bufbench, reaches, within

from bench.host import process
from bench.report import renderers

CALL = ("reserve-submit", 72)
OLD, NEW = report(all_calls()), report({**all_calls(), CALL: 190})
GONE = report({**all_calls(), CALL: "no such call"})
TEST = ("--test", "reserve-submit:+0")


@pytest.fixture
def path(tmp_path: Path) -> dict[str, str]:
    return made_up_qemu.install(tmp_path)


def images(folder: Path, *reports: bytes, lost: Mapping[int, str] | None = None) -> Path:
    """Make a folder of images k1, k2 ..., each with its report; its name says how one is lost."""
    place = folder / "images"
    place.mkdir()
    for number, content in enumerate(reports, 1):
        end = (lost or {}).get(number)
        path = Path(made_up_qemu.image(place, f"k{number}{end or ''}", *([] if end else [content])))
        path.write_bytes(path.read_bytes() + bytes([number]))  # no two are the same
    return place


def bisect(
    place: Path, output: Path, good: str, bad: str, *words: str, **path: str
) -> process.Completed:
    return within(
        *("kernels", "bisect", good, bad, "--images", str(place), "--output", str(output)),
        *(words or TEST),
        "--json",
        **path,
    )


def test_an_added_path_is_found_by_the_fewest_boots(path: dict[str, str], tmp_path: Path) -> None:
    """Order images by number, not by letter: k10 comes after k9."""
    place = images(tmp_path, *[OLD] * 10, *[NEW] * 6)
    done = bisect(place, tmp_path / "out", "k1", "k16", **path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["last_good"], found["first_bad"]) == ("k10", "k11")
    assert found["suspects"] == ["k11"]
    assert found["candidates"] == [f"k{number}" for number in range(1, 17)]
    booted = made_up_qemu.booted(tmp_path)
    assert booted[:2] == ["k1", "k16"]
    assert len(set(booted)) == 6 == 2 + 4  # the ends, and log2 of what lies between
    assert sorted(booted[-2:]) == ["k10", "k11"]  # once more, with another seed
    assert found["boots"] == len(booted) == 8 == found["most_boots"]
    values = {each["kernel"]: each["readings"][0]["value"] for each in found["tried"]}
    assert values == {each: 101 if int(each[1:]) < 11 else 190 for each in booted}


def test_equal_neighbours_are_one_kernel(path: dict[str, str], tmp_path: Path) -> None:
    place = images(tmp_path, *[OLD] * 3, *[NEW] * 5)
    for first, last in ((1, 3), (4, 8)):
        for number in range(first, last + 1):
            shutil.copy(place / f"k{first}", place / f"k{number}x")
            (place / f"k{number}x").replace(place / f"k{number}")
    done = bisect(place, tmp_path / "out", "k1", "k8", **path)
    found = json.loads(done.stdout)
    assert (found["last_good"], found["first_bad"], found["boots"]) == ("k3", "k4", 4)
    same = bisect(place, tmp_path / "same", "k1", "k3", **path)
    assert (same.returncode, "the same image, byte for byte" in same.stderr) == (2, True)


def test_what_does_not_boot_widens_the_answer(path: dict[str, str], tmp_path: Path) -> None:
    place = images(tmp_path, OLD, OLD, b"", b"", NEW, lost={3: "panics", 4: "refuses"})
    done = bisect(place, tmp_path / "out", "k1", "k5", **path)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["outcome"], found["last_good"], found["first_bad"]) == ("range", "k2", "k5")
    assert found["suspects"] == ["k3panics", "k4refuses", "k5"]
    assert "fails first on one of 3 kernels, from k3panics to k5" in done.stderr.splitlines()[-1]
    whys = {each["kernel"]: each["why"] for each in found["tried"]}
    assert whys["k3panics"] == "Kernel panic - not syncing: made up"


def test_a_count_that_moves_with_the_seed_is_passed_over(
    path: dict[str, str], tmp_path: Path
) -> None:
    place = images(tmp_path, OLD, OLD, NEW, NEW)
    (place / "k3.2").write_bytes(OLD)
    found = json.loads(bisect(place, tmp_path / "out", "k1", "k4", **path).stdout)
    assert (found["outcome"], found["suspects"]) == ("range", ["k3", "k4"])
    moved = next(each for each in found["tried"] if each["kernel"] == "k3")
    assert moved["why"] == "reserve-submit@72: 190 with seed 1, 101 with seed 2"


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("ring-output:+0", "ring-output:+0 also holds on k2: nothing to find"),
        ("reserve-submit@72:100", "fails on k1 already: reserve-submit@72: 101, not at most 100"),
        ("reserve-submit@72=190", "fails on k1 already: reserve-submit@72: 101, not 190"),
    ],
)
def test_ends_that_do_not_differ(
    test: str, words: str, path: dict[str, str], tmp_path: Path
) -> None:
    place = images(tmp_path, OLD, NEW)
    done = bisect(place, tmp_path / "out", "k1", "k2", "--test", test, **path)
    assert done.returncode == 1
    assert words in done.stderr.splitlines()[-1]


def test_an_end_that_does_not_boot_is_exit_code_3(path: dict[str, str], tmp_path: Path) -> None:
    place = images(tmp_path, OLD, b"", lost={2: "panics"})
    done = bisect(place, tmp_path / "out", "k1", "k2panics", **path)
    assert done.returncode == 3
    assert "k2panics cannot be judged: Kernel panic" in done.stderr.splitlines()[-1]


def test_another_test_of_the_same_folder_boots_nothing_again(
    path: dict[str, str], tmp_path: Path
) -> None:
    place = images(tmp_path, OLD, OLD, NEW, GONE)
    assert bisect(place, tmp_path / "out", "k1", "k4", **path).returncode == 3  # refused there
    before = made_up_qemu.booted(tmp_path)
    words = ("--test", "reserve-submit@72=same", "--resume")
    found = json.loads(bisect(place, tmp_path / "out", "k1", "k4", *words, **path).stdout)
    assert found["first_bad"] == "k3"
    after = made_up_qemu.booted(tmp_path)
    assert after[: len(before)] == before == ["k1", "k4"]
    assert len(after) - len(before) == found["boots"]
    again = bisect(place, tmp_path / "out", "k1", "k4", *words, **path)
    assert json.loads(again.stdout)["boots"] == 0
    other = bisect(place, tmp_path / "out", "k1", "k4", *words, "--append", "quiet", **path)
    assert (other.returncode, "was made differently" in other.stderr) == (2, True)
    held = bisect(place, tmp_path / "out", "k1", "k4", *TEST, **path)
    assert (held.returncode, "is not empty" in held.stderr) == (2, True)


def test_a_stopped_search_goes_on(path: dict[str, str], tmp_path: Path) -> None:
    """Keep the first boots, and repeat the one that was stopped."""
    place = images(tmp_path, *[OLD] * 4, *[NEW] * 4)
    (place / "k5").rename(place / "k5hangs")
    words = [*BUFBENCH, "kernels", "bisect", "k1", "k8", *TEST]
    words += ["--images", str(place), "--output", str(tmp_path / "out")]
    with subprocess.Popen(words, env={**os.environ, **path}, stderr=subprocess.PIPE) as running:
        assert reaches(running, lambda: len(made_up_qemu.booted(tmp_path)) == 3)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
    assert made_up_qemu.booted(tmp_path) == ["k1", "k8", "k5hangs"]
    (place / "k5hangs").rename(place / "k5")
    done = bisect(place, tmp_path / "out", "k1", "k8", *TEST, "--resume", **path)
    assert json.loads(done.stdout)["first_bad"] == "k5", done.stderr
    booted = made_up_qemu.booted(tmp_path)
    assert sorted(set(booted[3:])) == ["k3", "k4", "k5"]


def test_a_dry_run_boots_nothing(path: dict[str, str], tmp_path: Path) -> None:
    place = images(tmp_path, *[OLD] * 9)
    done = bisect(place, tmp_path / "out", "k1", "k9", *TEST, "--dry-run", **path)
    found = json.loads(done.stdout)
    assert (found["outcome"], found["most_boots"]) == ("planned", 7)
    assert not (tmp_path / "out").exists()
    assert made_up_qemu.booted(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("k1", "k1"), "both ends are k1"),
        (("k2", "k1"), "k2 is newer than k1; name the older kernel first"),
        (("k1", "k7"), "k7 names no image in"),
        (("k1", "6.1.0-made-up"), "6.1.0-made-up names 2 images in"),
    ],
)
def test_ends_that_are_not_kernels(
    words: tuple[str, str], why: str, path: dict[str, str], tmp_path: Path
) -> None:
    done = bisect(images(tmp_path, OLD, NEW), tmp_path / "out", *words, **path)
    assert done.returncode == 2
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_images_and_no_order(path: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = bisect(tmp_path / "empty", tmp_path / "out", "k1", "k2", **path)
    assert (done.returncode, "holds no kernel image" in done.stderr) == (2, True)
    alone = within("kernels", "bisect", "./a", "./b", *TEST, **path)
    assert (alone.returncode, "--images FOLDER" in alone.stderr) == (2, True)


def test_a_step_ends_as_git_wants_it(path: dict[str, str], tmp_path: Path) -> None:
    old = made_up_qemu.image(tmp_path, "old", OLD)
    new = made_up_qemu.image(tmp_path, "new", NEW)
    nothing = tmp_path / "nothing"
    nothing.write_bytes(bytes(70_000))
    limit = ("--test", "reserve-submit@72:101")
    whole = tmp_path / "exact.json"
    whole.write_text(renderers.find("json")(data=study(kernel("6.1", all_calls()))))
    base = (*TEST, "--baseline", str(whole))
    for image, words, code in (
        *((old, limit, 0), (new, limit, 1), (old, base, 0), (new, base, 1)),
        (made_up_qemu.image(tmp_path, "panics"), limit, 125),
        (made_up_qemu.image(tmp_path, "moves", OLD, NEW), limit, 125),
        (made_up_qemu.image(tmp_path, "gone", GONE), limit, 125),
        (str(nothing), limit, 125),
        (str(tmp_path / "missing"), limit, 128),
        (old, TEST, 128),
        (old, ("--test", "no-such-call:1"), 128),
        *((old, (), 128), (old, (*limit, "--colour"), 128)),
    ):
        done = within("kernels", "bisect-step", image, *words, **path)
        assert done.returncode == code, (image, words)
        if (image, words) == (new, limit):
            assert "reserve-submit@72: 190, not at most 101" in done.stdout


def test_a_step_without_qemu_ends_the_search(tmp_path: Path) -> None:
    image = made_up_qemu.image(tmp_path, "old", OLD)
    words = ("kernels", "bisect-step", image, "--test", "reserve-submit:1")
    assert bufbench(*words, PATH=str(tmp_path)).returncode == 128


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_git_finds_the_commit(path: dict[str, str], tmp_path: Path) -> None:
    """Search a tree in which each commit has another image, one of which does not boot."""
    tree = tmp_path / "tree"
    tree.mkdir()
    who = {
        f"GIT_{role}_{what}": "a@b.c"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}

    def git(*words: str) -> str:
        return process.run(
            ["git", "-C", str(tree), *words], timeout_s=120, env={**path, **who, **nothing}
        ).stdout

    git("init", "-q")
    for number in range(1, 9):
        for each in tree.glob("bzImage*"):
            each.unlink()
        reports = [] if number == 4 else [OLD if number < 6 else NEW]
        made_up_qemu.image(tree, "bzImage", *reports)
        git("add", "-A")
        git("commit", "-qm", f"change {number}")
    git("bisect", "start", "HEAD", "HEAD~7")
    words = ("kernels", "bisect-step", str(tree / "bzImage"), "--test", "reserve-submit@72:101")
    said = git("bisect", "run", *BUFBENCH, *words)
    assert "is the first bad commit" in said
    assert "change 6" in said
