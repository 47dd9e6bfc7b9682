# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test idle states and frequencies, read from a made-up /sys and requested in /dev."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from bench.linux import cpus


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cpus, "_IDLE", tmp_path / "cpuidle")
    monkeypatch.setattr(cpus, "_CPU", tmp_path / "cpu0")
    monkeypatch.setattr(cpus, "_LATENCY", tmp_path / "cpu_dma_latency")
    return tmp_path


def fill(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def test_driver_and_states_are_named_in_their_order(made_up: Path) -> None:
    assert cpus.idle_states() == ""
    fill(made_up / "cpuidle", current_driver="intel_idle\n")
    for number, name in enumerate(("POLL", "C1", "C6")):
        fill(made_up / f"cpu0/cpuidle/state{number}", name=f"{name}\n")
    assert cpus.idle_states() == "intel_idle: POLL, C1, C6"
    fill(made_up / "cpuidle", current_driver="none\n")
    assert cpus.idle_states() == ""


def test_frequencies_are_in_mhz(made_up: Path) -> None:
    assert cpus.frequency() == ""
    fill(
        made_up / "cpu0/cpufreq",
        scaling_governor="schedutil\n",
        scaling_min_freq="1500000\n",
        scaling_max_freq="3000000\n",
    )
    assert cpus.frequency() == "schedutil, 1,500 to 3,000 MHz"
    fill(made_up / "cpu0/cpufreq", scaling_max_freq="<unknown>\n")
    assert cpus.frequency() == ""


def holding(path: Path) -> bool:
    """Return whether this process has the file open."""
    links = [each for each in Path("/proc/self/fd").iterdir() if each.exists()]
    return path in [each.readlink() for each in links]


def test_the_bound_is_asked_for_and_given_back(made_up: Path) -> None:
    with cpus.held_shallow() as held:
        assert not held
    path = made_up / "cpu_dma_latency"
    path.write_bytes(b"")
    with cpus.held_shallow() as held:
        assert held
        assert path.read_bytes() == struct.pack("=i", 0)
        assert holding(path)
    assert not holding(path)
