# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test which requests are accepted, which source each means, and that a new source is one file."""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench.errors import UsageError
from bench.guests import sources
from bench.guests.sources import Options, Source, archives, host, local, oci, source_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    from bench.cli import app

MEANT = [
    *((text, archives.SOURCE) for text in ("6.12", "6.12-rt", "7.3-cloud", "7.3-amd64", "6.12.90")),
    *((text, archives.SOURCE) for text in ("6.12.94-1", "6.12.94+deb13-rt-amd64")),
    *((text, archives.SOURCE) for text in ("linux-image-6.1.0-56-amd64", "7.3~rc7-1~exp1")),
    ("host", host.SOURCE),
    *((text, oci.SOURCE) for text in ("ci-kernels:6.12", "lvh:6.12-main", "oci:./kernels:6.12")),
    *((text, local.SOURCE) for text in ("./bzImage", "bzImage", "vm:mods", "/b/vmlinuz-6.12")),
]


@pytest.mark.parametrize(("text", "source"), MEANT)
def test_a_request_is_understood(text: str, source: Source) -> None:
    assert source_of(text) is source


@pytest.mark.parametrize("text", ["", ":modules", "a:b:c", "--all", "6.12\n", "a\x1b[31m/b"])
def test_nonsense_is_reported_in_a_line(text: str) -> None:
    with pytest.raises(UsageError, match="names no kernel") as caught:
        source_of(text)
    assert str(caught.value).isprintable()


@given(st.text(max_size=40))
def test_every_text_is_a_request_or_an_error(text: str) -> None:
    try:
        source = source_of(text)
    except UsageError as error:
        assert str(error).isprintable()  # noqa: PT017  most texts are no error
    else:
        assert source in sources.sources()


TOY = """
from pathlib import Path
from bench.guests.sources import Image, Listed, Source

def find(labels, options):
    return [lambda label=label: image(label, options) for label in labels]

def image(label, options):
    options.say(f"carving {label}")
    return Image(
        label=label, release="9.9.9", vmlinuz=Path("/toys") / label, modules=None, origin="toys"
    )

def offers(label, options):
    return [
        Listed(
            label=f"toy-{number}", series="9.9", flavour="", release="9.9.9", version=str(number),
            archive="Toys", suite="box", modules=None, packages=(), download_bytes=None,
            fetched=False, vmlinuz=None,
        )
        for number in (1, 2)
    ]

SOURCE = Source(
    forms="toy-NUMBER",
    takes=lambda text: text.startswith("toy-"),
    find=find,
    offers=offers,
    prune=lambda every: iter(["removed a toy"]),
)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a source that is added by one file."""
    (tmp_path / "toy.py").write_text(TOY, encoding="utf-8")
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    sources.sources.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    sources.sources.cache_clear()
    sys.modules.pop("bench.guests.sources.toy", None)


def test_a_new_source_is_one_file(
    toy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    images = sources.provide(["toy-2", "host", "toy-1"], Options(say=said.append))
    assert [image.label for image in images] == ["toy-2", "host", "toy-1"]
    assert said == ["carving toy-2", "carving toy-1"]
    app.run(["kernels", "fetch", "toy-1", "--json"])
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["label"], shown["vmlinuz"]) == ("toy-1", "/toys/toy-1")
    app.run(["kernels", "list", "toy-1", "--json"])
    assert [row["label"] for row in json.loads(capsys.readouterr().out)] == ["toy-1", "toy-2"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(toy / "cache"))
    app.run(["kernels", "prune"])
    assert capsys.readouterr().out == "removed a toy\n"
    with pytest.raises(UsageError, match=r"take one of .*, toy-NUMBER, "):
        source_of("--all")
    assert len(list(toy.rglob("*.py"))) == 1


def test_no_other_file_names_the_sources() -> None:
    """But for the host's label: its kernel is measured where it runs."""
    package = Path(bench.__file__).parent
    for path in package.rglob("*.py"):
        if path.parent != package / "guests/sources":
            named = re.findall(r"guests\.sources\.(.*)", path.read_text(encoding="utf-8"))
            assert set(named) <= {"host import HOST"}, path
