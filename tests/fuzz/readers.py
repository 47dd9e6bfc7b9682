# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""List all readers of foreign data, as functions of bytes. A new reader is an entry in READERS.

A reader may refuse its input by one of the exceptions that it names; anything else is a fault.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest import mock

import made_up_exact
import made_up_oci
import made_up_trials
from fuzz import btf_samples, edited_journal, texts
from pydantic import TypeAdapter

from bench.campaign import gates
from bench.dataset import store
from bench.dataset.processes import processes
from bench.errors import BufbenchError, UsageError
from bench.guests import apt, catalogue, lists, messenger, skopeo, sources, unpack
from bench.journal.files import code
from bench.journal.reader import read_journals
from bench.journal.writer import encode
from bench.judge.columns import Columns
from bench.linux import cgroup, kernel_log, machine, procfs, version
from bench.linux.cgroup import homes
from bench.plan import budgets
from bench.plan.experiments import ArmName
from bench.questions.bisect import condition
from bench.questions.bisect import state as bisect_state
from bench.questions.bisect.condition import of_calls
from bench.questions.claims import expectations
from bench.questions.exact import document as exact_document
from bench.questions.exact import functions as exact_functions
from bench.questions.exact import gate as exact_gate
from bench.questions.exact import report as exact_report
from bench.questions.exact import study as exact_study
from bench.questions.history import reading
from bench.questions.history.frame import rows_of
from bench.questions.kernels import outcome
from bench.tracer import btf
from bench.tracer.object import package, types
from workloads.generator import parse_report

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    import click
    import typer

    from bench.cli import app, settings

SAMPLES: Final = Path(__file__).parent / "samples"
"""Inputs that once were faults: a folder for each reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Describe one reader: how to call it, seeds, and how it refuses."""

    read: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    refuses: tuple[type[Exception], ...] = (BufbenchError,)
    longest_bytes: int = 65_536  # of what the fuzzer makes

    def try_on(self, data: bytes) -> None:
        """Read ``data``. Raises whatever is no refusal."""
        try:
            self.read(data)
        except self.refuses as refusal:
            line = str(refusal)
            assert "\n" not in line, f"not one line: {line!r}"
            assert len(line) < 1_000, f"a refusal of {len(line)} characters"


@contextmanager
def _file(data: bytes) -> Iterator[Path]:
    """Yield a file in memory."""
    descriptor = os.memfd_create("fuzz")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")  # as bench.linux.procfs reads


def _journal(data: bytes) -> None:
    with _file(data) as path:
        read_journals([path])


def _expectations(data: bytes) -> None:
    with _file(data) as path:
        expectations.read(path)


def _kernels_toml(data: bytes) -> None:
    with _file(data) as path:
        apt.read(path, mirrors=["http://mirror.invalid/debian"])


def _settings(data: bytes) -> None:
    """Read a file of defaults, as `run` and `kernels run` do."""
    group: Any = typer.main.get_command(app.app)
    with _file(data) as path, mock.patch.dict(os.environ, {settings.VARIABLE: str(path)}):
        path.chmod(0o600)
        whole = click.Context(group, info_name="bufbench")
        settings.load(whole)
        for name in ("run", "size"):
            command = group.get_command(whole, name)
            settings.check_options(click.Context(command, info_name=name, parent=whole))


def _words(data: bytes) -> None:
    """Read values of options. Each kind has its own form, and refuses the others'."""
    text = _text(data)
    ArmName.parse(text)
    for parse in (
        budgets.parse,
        gates.parse,
        exact_gate.parse,
        condition.parse,
        sources.source_of,
        lambda word: expectations.parse([word]),
    ):
        with suppress(UsageError):
            parse(text)
    with suppress(ValueError):
        procfs.parse_cpu_list(text)


def _btf(data: bytes) -> None:
    with _file(data) as path, btf.opened(path) as types:
        btf.kernel_facts(types, {})
        types.field("outer", "absent")
        types.field("outer", "deep")
        btf.offsets(types)


def _proc(data: bytes) -> None:
    text = _text(data)
    procfs.parse_irq_work(text)
    procfs.parse_numbers(text)
    procfs.parse_capabilities(text)
    procfs.parse_free_pages(text)
    mounts = procfs.parse_mountinfo(text)
    list(cgroup.process_limits(homes(text, mounts[:8], controller="pids")))
    machine.preemption_model(debugfs=text, version=text, cmdline=text, config=text)
    machine.preemption_model(debugfs=None, version="", cmdline=text, config=text)
    machine.classify(cpuinfo=text, clock_sources="", vendor=text)
    kernel_log.complaints_in(text.splitlines())
    with _file(data) as path:
        procfs.read_number(path)
    for parse in (procfs.parse_cpu_list, version.numbers):
        with suppress(ValueError):  # documented
            parse(text)


def _histogram(data: bytes) -> None:
    trial = made_up_trials.trial("ringbuf@8KiB", 0)
    Columns([texts.with_histogram(trial, data.decode("latin-1"))]).merged_bins()


def _packages(data: bytes) -> None:
    catalogue.kernels(catalogue.parse(_text(data), archive="Debian", suite="bookworm"))


def _layer(data: bytes) -> None:
    with _file(data) as path, TemporaryDirectory() as folder:
        unpack.take_kernel([path], Path(folder))


def _layer_seeds() -> list[bytes]:
    image = bytearray(0x600)
    image[0x202:0x206], image[0x20E:0x210] = b"HdrS", b"\0\x03"
    image[0x500:0x507] = b"6.12.81"
    whole = made_up_oci.layer({"boot/vmlinuz": bytes(image), "boot/.wh.config": b"", "lib": "usr"})
    return [whole, whole[:1024], made_up_oci.packed(whole, "gzip")]


def _oci_index(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "index.json").write_bytes(data)
        tags = skopeo.Repository(name="oci:x", folder=Path(folder)).tags()
        skopeo.newest_first(tags)


def _oci_index_seeds() -> list[bytes]:
    with TemporaryDirectory() as name:
        layout = made_up_oci.Layout(Path(name, "layout"))
        for tag in ("6.12.81", "6.7rc4-debug", "mainline"):
            layout.add(tag, {"boot/vmlinuz": b""})
        return [(layout.folder / "index.json").read_bytes(), b'{"manifests": []}']


def _exact(data: bytes) -> None:
    with suppress(ValueError):  # documented
        exact_report.parse(data)
    kernel = made_up_exact.kernel("6.1", {("reserve-submit", 72): 141})
    exact_functions.explained(kernel, data, made_up_exact.SYMBOLS)
    exact_functions.explained(kernel, made_up_exact.blocks((1, 110, 26)), data)
    with _file(data) as path:
        exact_document.document(exact_study.read(path))


def _bisection(data: bytes) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / bisect_state.STATE).write_bytes(data)
        notes = bisect_state.opened(folder, ("made up",), resume=True)
        asked = condition.parse("all:+0")
        asked.judge(notes.of("0").readings, notes.of("1").readings)


def _sent() -> Sequence[bytes]:
    return [
        messenger.pack({"journal.jsonl": b"{}\n" * 9, "result.json": b"{}"}),
        messenger.pack({}),
    ]


def _history_cache(data: bytes) -> None:
    with _file(data) as path:
        reading.load(path)


def _history_caches() -> list[bytes]:
    of_file = {"judge": code(), "path": "a.jsonl", "sha256": "0"}
    stamp = dict.fromkeys(("size_bytes", "mtime_ns", "ctime_ns"), 1)
    with _file(_journal_seeds()[0]) as journal, BytesIO() as memory:
        rows_of(journal, of_file | stamp).write_parquet(memory)
        return [memory.getvalue(), memory.getvalue()[:-9], memory.getvalue()[100:]]


def _data_set(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "index").write_bytes(data)
        list(store.load(Path(folder)))


def _data_sets() -> list[bytes]:
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "a.jsonl").write_bytes(_journal_seeds()[0])
        with processes() as others, store.opened(place, [place / "a.jsonl"], str, others):
            pass
        index = (place / store.NAME / "index").read_bytes()
    return [index, index[:-9], index * 2, index.replace(b":", b": ")]


def _journal_seeds() -> list[bytes]:
    trials = [made_up_trials.trial(arm, 0) for arm in ("ringbuf@8KiB", "perfbuf@8KiB", "none")]
    header = encode(made_up_trials.header())
    whole = header + b"".join(encode(each) for each in trials)
    return [whole, whole[:-100], header * 3, whole.replace(b":", b": "), b"[]\n"]


def _exact_seeds() -> list[bytes]:
    counts = made_up_exact.all_calls()
    study = made_up_exact.study(made_up_exact.kernel("6.1", counts))
    return [
        made_up_exact.report(counts),
        TypeAdapter(type(study)).dump_json(study),
        made_up_exact.blocks((1, 110, 26)),
        made_up_exact.SYMBOLS,
    ]


def _bisection_seeds() -> list[bytes]:
    counts = made_up_exact.all_calls()
    readings = tuple(of_calls(made_up_exact.kernel("6.1", counts)))
    boots = tuple(bisect_state.Boot(seed=seed, readings=readings) for seed in (1, 2))
    with TemporaryDirectory() as name:
        notes = bisect_state.opened(Path(name), ("made up",), resume=False)
        for sha256 in ("0", "1"):
            notes.keep(bisect_state.Kernel(sha256=sha256, boots=boots))
        return [(Path(name) / bisect_state.STATE).read_bytes()]


def _object(data: bytes) -> None:
    """Read a package, or the types of an object, whose structures have columns for any record."""
    with suppress(UsageError):
        package.parse(data, "object")
    found = types.Types.parse(data)
    list(found.sections())
    for name in found.structures():
        with suppress(UsageError):
            number = found.find(name)
            assert number is not None
            found.members(number)
            for column in found.columns(number):
                column.read(data)
                column.read(b"")


def _object_seeds() -> list[bytes]:
    return [
        *btf_samples.samples(),
        b'{"bpf_object": "eJwDAAAAAAE=", "bpf_object_size": 0, "meta": {}}',
    ]


READERS: Final[dict[str, Reader]] = {
    "journal": Reader(read=_journal, seeds=_journal_seeds),
    "report": Reader(
        read=edited_journal.report, seeds=lambda: edited_journal.SEEDS, longest_bytes=2_000
    ),
    "expectations": Reader(read=_expectations, seeds=lambda: texts.TOML, longest_bytes=4_096),
    "words": Reader(read=_words, seeds=lambda: texts.WORDS, longest_bytes=512),
    "btf": Reader(read=_btf, seeds=btf_samples.samples),
    "object": Reader(read=_object, seeds=_object_seeds),
    "tracepoint": Reader(
        read=lambda data: btf.tracepoint_fields(_text(data)), seeds=lambda: texts.TRACEPOINTS
    ),
    "proc": Reader(read=_proc, seeds=lambda: texts.PROC),
    "storm": Reader(
        read=lambda data: parse_report(_text(data).splitlines()), seeds=lambda: texts.STORMS
    ),
    "histogram": Reader(read=_histogram, seeds=texts.histograms),
    "settings": Reader(read=_settings, seeds=lambda: texts.SETTINGS, longest_bytes=4_096),
    "kernels-toml": Reader(
        read=_kernels_toml, seeds=lambda: texts.KERNELS_TOML, longest_bytes=4_096
    ),
    "guest": Reader(read=outcome.parse, seeds=lambda: texts.GUESTS, longest_bytes=4_096),
    "exact": Reader(read=_exact, seeds=_exact_seeds),
    "bisection": Reader(read=_bisection, seeds=_bisection_seeds),
    "history-cache": Reader(read=_history_cache, seeds=_history_caches, longest_bytes=16_384),
    "data-set": Reader(read=_data_set, seeds=_data_sets, longest_bytes=16_384),
    "port": Reader(read=messenger.unpack, seeds=_sent, refuses=(ValueError,)),
    "packages": Reader(read=_packages, seeds=lambda: texts.PACKAGES),
    "layer": Reader(read=_layer, seeds=_layer_seeds, longest_bytes=16_384),
    "oci-index": Reader(read=_oci_index, seeds=_oci_index_seeds, longest_bytes=4_096),
    "kernel-list": Reader(
        read=lambda data: lists.expand([f"[{_text(data)}"]),
        seeds=lambda: [b'"6.1", "6.12"]', b'{"version": "6.12.81", "static_tag": ""}]', b"]"],
        longest_bytes=1_024,
    ),
}
