# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the plugin in a real QEMU: taken or refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.guests.machines import AMD64, MACHINES
from bench.questions.exact import functions

SOURCE = Path(__file__).parents[2] / "bench/questions/exact/plugin/functions.c"

needs_qemu = pytest.mark.skipif(shutil.which(MACHINES[AMD64].program) is None, reason="no QEMU")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a program that loads a plugin as QEMU does."""
    path = tmp_path_factory.mktemp("host") / "plugin_host"
    source = Path(__file__).with_name("plugin_host.c")
    words = ("-rdynamic", f"-I{SOURCE.parent}", "-o", path, source)
    subprocess.run(["gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", *words], check=True)
    return path


@pytest.mark.parametrize(("plugin", "version"), [(1, 1), (2, 2), (2, 3), (2, 4), (2, 5)])
def test_a_plugin_runs_on_each_version_of_the_api(
    host: Path, tmp_path: Path, plugin: int, version: int
) -> None:
    """From version 3 on an instruction's bytes are copied; before, they are pointed to."""
    out = tmp_path / "executed"
    path = Path(functions.__file__).with_name(f"plugin-{plugin}.so")
    subprocess.run([host, path, str(version), f"out={out}"], check=True)
    kernel = 0xFFFFFFFF81000000
    assert out.read_text() == f"call 0 3 2 {kernel + 2:x}:1 {kernel + 3:x}:1 {kernel:x}:1\n"


def test_a_plugin_refuses_an_api_that_it_does_not_know(host: Path, tmp_path: Path) -> None:
    path = Path(functions.__file__).with_name("plugin-2.so")
    words = [host, path, "6", f"out={tmp_path / 'executed'}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == "its plugin API is version 6, and known are those up to 5\n"
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("version", [1, 2, 5])
def test_a_plugin_that_is_asked_says_that_it_would_be_taken(host: Path, version: int) -> None:
    path = Path(functions.__file__).with_name("plugin-2.so")
    done = subprocess.run([host, path, str(version)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "taken\n")


def built(folder: Path, version: int) -> Path:
    """Return the plugin for another version of the API, named like one that is looked for."""
    path = folder / "plugin-2.so"
    words = ("-shared", "-fPIC", "-fvisibility=hidden", f"-DAPI={version}", "-o", path, SOURCE)
    subprocess.run(["gcc", "-std=gnu17", *words], check=True)
    return path


@needs_qemu
def test_one_of_the_plugins_is_taken() -> None:
    found = functions.plugin(MACHINES[AMD64])
    assert found.path is not None, found.why_not
    assert found.path.name in ("plugin-1.so", "plugin-2.so")


@needs_qemu
def test_another_version_of_the_api_is_a_line(tmp_path: Path) -> None:
    built(tmp_path, 99)
    found = functions.plugin(MACHINES[AMD64], tmp_path)
    assert found.path is None
    assert "missing" in found.why_not  # the last that is looked for
    shutil.copy(tmp_path / "plugin-2.so", tmp_path / "plugin-1.so")
    why_not = functions.plugin(MACHINES[AMD64], tmp_path).why_not
    assert why_not.startswith("plugin requires API version 99, but this QEMU supports only up to")
    assert "\n" not in why_not


@needs_qemu
def test_a_folder_with_a_comma_is_quoted(tmp_path: Path) -> None:
    folder = tmp_path / "a,b"
    folder.mkdir()
    taken = functions.plugin(MACHINES[AMD64])
    assert taken.path is not None
    shutil.copy(taken.path, folder)
    assert functions.plugin(MACHINES[AMD64], folder).path == folder / taken.path.name
