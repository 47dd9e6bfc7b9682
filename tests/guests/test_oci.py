# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test kernels of OCI images: through the real skopeo, from layouts in a folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest
from made_up_archive import ARCH, vmlinuz
from made_up_oci import OTHER_ARCH, Layout, ci_kernel, lvh_kernel, registry

from bench.errors import BufbenchError, FetchFailed, UsageError
from bench.guests import sources
from bench.guests.sources import Image, Options, each_or_why, oci, provide

PATHS = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
KERNELS = {"6.12": "6.12.81", "6.12.80": "6.12.80", "6.1": "6.1.168", "6.7rc4": "6.7.0-rc4"}

needs_skopeo = pytest.mark.skipif(
    not all(shutil.which(name, path=PATHS) for name in ("skopeo", "zstd", "depmod")),
    reason="there is no skopeo, zstd or depmod",
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache"))
    return tmp_path / "a cache/bufbench/kernels/oci/images"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Make some kernels, in a folder whose name looks like a tag."""
    made = Layout(tmp_path / "my kernels")
    for tag, release in KERNELS.items():
        made.add(tag, ci_kernel(vmlinuz(release), release))
    return made


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def options(said: list[str]) -> Options:
    return Options(say=said.append)


def refused(label: str, options: Options) -> str:
    ((_, found),) = each_or_why([label], options)
    assert isinstance(found, FetchFailed)
    line = str(found)
    assert line.isprintable()
    assert len(line) < 500
    return line


@pytest.mark.parametrize(
    ("text", "place", "tag"),
    [
        ("ci-kernels:6.12", "ghcr.io/cilium/ci-kernels", "6.12"),
        ("lvh:6.12-main", "quay.io/lvh-images/kernel-images", "6.12-main"),
        ("ci-kernels", "ghcr.io/cilium/ci-kernels", ""),
        ("oci:ghcr.io/cilium/ci-kernels:6.12", "ghcr.io/cilium/ci-kernels", "6.12"),
        ("oci:localhost:5000/a/b:x", "localhost:5000/a/b", "x"),
        ("oci:127.0.0.1:5000/b", "127.0.0.1:5000/b", ""),
        ("oci:/images/kernels:6.12", "/images/kernels", "6.12"),
        ("oci:/images/ghcr.io/x", "/images/ghcr.io/x", ""),
        ("oci:/images:localhost/kernel:6.12", "/images", "localhost/kernel:6.12"),
    ],
)
def test_a_label_names_a_place_and_a_tag(text: str, place: str, tag: str) -> None:
    assert sources.source_of(text) is oci.SOURCE
    repository, found = oci.parse(text)
    assert (repository.place, found) == (place, tag)
    assert repository.named(found) == text


@pytest.mark.parametrize(
    "text", ["./ci-kernels:6.12", "oci", "oci:", "ci-kernels:", "6.12", "oci:a:b:"]
)
def test_other_labels_are_not_taken(text: str) -> None:
    assert not oci.takes(text)


@needs_skopeo
@pytest.mark.parametrize("form", ["gzip", "zstd", ""])
def test_an_image_of_a_folder_is_fetched_once(
    form: str, tmp_path: Path, cache: Path, options: Options, said: list[str]
) -> None:
    layout = Layout(tmp_path / "layout")
    layout.add("6.12-main", {"bin/sh": b"#!"}, lvh_kernel(vmlinuz("6.12.81"), "6.12.81"), form=form)
    label = f"oci:{layout.folder}:6.12-main"
    (image,) = provide([label], options)
    assert (image.label, image.release) == (label, "6.12.81")
    assert image.vmlinuz.is_relative_to(cache)
    assert image.modules == image.vmlinuz.parent
    assert image.origin.startswith(f"OCI image {label}, sha256:")
    assert (image.modules / "kernel/fs/fuse.ko").exists()
    assert len(said) == 1
    assert provide([label], options) == [image]
    assert len(said) == 1
    assert [path.name.split("_")[0] for path in cache.iterdir()] == ["6.12-main"]


@needs_skopeo
def test_a_tag_that_moved_is_fetched_anew_and_prune_removes_the_old(
    layout: Layout, cache: Path, options: Options
) -> None:
    label = f"oci:{layout.folder}:stable"
    for release in ("6.18.0", "6.18.1"):
        shutil.rmtree(layout.folder)
        moved = Layout(layout.folder)
        moved.add("stable", ci_kernel(vmlinuz(release), release))
        (image,) = provide([label], options)
        assert image.release == release
    assert len([*cache.iterdir()]) == 2
    assert [line.partition(",")[0] for line in oci.SOURCE.prune(False)] == ["removed 6.18.0"]
    assert [line.partition(",")[0] for line in oci.SOURCE.prune(True)] == ["removed 6.18.1"]
    assert not [*cache.iterdir()]


@needs_skopeo
def test_the_only_image_of_a_folder_needs_no_tag(
    tmp_path: Path, cache: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    Layout(tmp_path / "one").add("x", {"boot/vmlinuz": vmlinuz("6.12.81")})
    monkeypatch.chdir(tmp_path)
    for label in ("oci:one", "oci:./one", "oci:one:x"):
        (image,) = provide([label], options)
        assert (image.label, image.release, image.modules) == (label, "6.12.81", None)
    assert len([*cache.iterdir()]) == 2


@needs_skopeo
def test_of_several_architectures_this_machines_is_taken(
    tmp_path: Path, cache: Path, options: Options
) -> None:
    layout = Layout(tmp_path / "layout")
    other = (OTHER_ARCH, [{"boot/vmlinuz": b"another machine's"}])
    layout.add_index("both", [other, (ARCH, [{"boot/vmlinuz": vmlinuz("6.12.81")}])])
    layout.add_index("list", [other])
    layout.add_index("alone", [other], alone=True)
    (image,) = provide([f"oci:{layout.folder}:both"], options)
    assert image.release == "6.12.81"
    assert f"holds no image for {ARCH}" in refused(f"oci:{layout.folder}:list", options)
    line = refused(f"oci:{layout.folder}:alone", options)
    assert f":alone is for {OTHER_ARCH}, not for {ARCH}; take another" in line
    assert len([*cache.iterdir()]) == 1


@needs_skopeo
def test_what_is_wrong_is_a_line_each_and_other_rows_are_kept(
    layout: Layout, tmp_path: Path, cache: Path, options: Options
) -> None:
    layout.add("empty", {"etc/passwd": b"root"})
    layout.add("text", {"boot/vmlinuz": b"text"})
    layout.add("torn", b"no archive")
    place = f"oci:{layout.folder}"
    (tmp_path / "folder").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/index.json").write_text('{"manifests": [3]}')
    expected = {
        f"{place}:6.12": "",
        f"{place}:empty": f"{place}:empty holds no kernel; take an image that holds one",
        f"{place}:text": "holds a vmlinuz that is no x86 kernel image",
        f"{place}:torn": "has a damaged layer; fetch or copy the image again",
        f"{place}:6.13": f"{place} has no tag 6.13; there are 6.12.80, 6.12, 6.7rc4, 6.1, torn",
        place: f"{place} names no image without a tag; there are 6.12.80",
        f"oci:{tmp_path}/nowhere:x": "is not an OCI layout: index.json: No such file",
        f"oci:{tmp_path}/folder:x": "is not an OCI layout: index.json: No such file",
        f"oci:{tmp_path}/odd:x": "is not an OCI layout: its index.json is not that",
        f"{place}:6.1": "",
    }
    found = dict(each_or_why([*expected], options))
    for label, words in expected.items():
        assert isinstance(found[label], BufbenchError) == bool(words), label
        assert words in str(found[label])
    assert len([*cache.iterdir()]) == 2


@needs_skopeo
@pytest.mark.parametrize("which", [0, -1], ids=["config", "layer"])
def test_a_blob_that_is_not_its_digests_is_refused(
    tmp_path: Path, cache: Path, options: Options, which: int
) -> None:
    layout = Layout(tmp_path / "layout")
    layout.add("6.12", {"boot/vmlinuz": vmlinuz("6.12.81")})
    blob = layout.blobs()[which]
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    assert "6.12 is damaged: " in refused(f"oci:{layout.folder}:6.12", options)
    blob.unlink()
    assert "6.12 is damaged: " in refused(f"oci:{layout.folder}:6.12", options)
    assert not cache.exists() or not [*cache.iterdir()]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path / "home"


@needs_skopeo
def test_images_of_a_registry_are_listed_and_fetched(
    layout: Layout, home: Path, cache: Path, options: Options
) -> None:
    images = [(OTHER_ARCH, [{}]), (ARCH, [ci_kernel(vmlinuz("6.19.12"), "6.19.12")])]
    layout.add_index("stable", images)
    with registry(layout, "cilium/ci-kernels", home) as address:
        place = f"oci:{address}"
        found = dict(each_or_why([f"{place}:{tag}" for tag in ("stable", "6.1", "9.9")], options))
        stable, longterm, none = found.values()
        assert isinstance(stable, Image)
        assert isinstance(longterm, Image)
        assert (stable.release, longterm.release) == ("6.19.12", "6.1.168")
        assert str(none) == (
            f"{place} has no tag 9.9; there are 6.12.80, 6.12, 6.7rc4, 6.1, stable"
        )
        assert f"{place} names no image without a tag; there are" in refused(place, options)
        rows = sources.offers([place], options)
        assert {row.version for row in rows if row.fetched} == {"stable", "6.1"}
    assert len([*cache.iterdir()]) == 2
    assert provide([f"{place}:stable"], options) == [stable]


@needs_skopeo
@pytest.mark.usefixtures("cache")
def test_a_registry_that_refuses_is_named(layout: Layout, home: Path, options: Options) -> None:
    with registry(layout, "kernels", home, private=True) as address:
        line = refused(f"oci:{address}:6.12", options)
    assert "is refused by the registry: " in line
    assert line.endswith("skopeo login gives access to what is private")


@needs_skopeo
def test_a_registry_that_does_not_answer_is_named(cache: Path, options: Options) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        line = refused(f"oci:127.0.0.1:{closed.getsockname()[1]}/kernels:6.12", options)
    assert "cannot be fetched, the registry does not answer: " in line
    assert "connection refused; is there a network?" in line
    assert not cache.exists() or not [*cache.iterdir()]


@needs_skopeo
@pytest.mark.usefixtures("cache")
def test_a_registry_that_hangs_is_given_up(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.guests.skopeo.ASK_S", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        line = refused(f"oci:127.0.0.1:{silent.getsockname()[1]}/kernels:6.12", options)
    assert "kernels:6.12: no answer within 0.5 s; is there a network?" in line


@needs_skopeo
def test_without_the_registry_what_was_fetched_serves(
    layout: Layout, cache: Path, options: Options, said: list[str]
) -> None:
    provide([f"oci:{layout.folder}:6.12"], options)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{closed.getsockname()[1]}/kernels"
        (record,) = cache.glob("*/kernel.json")
        record.write_text(json.dumps(json.loads(record.read_text()) | {"place": place}))
        (image,) = provide([f"oci:{place}:6.12"], options)
        assert image.release == "6.12.81"
        assert "does not answer" in said[-1]
        assert said[-1].endswith("; the one fetched before is used")
        assert "does not answer" in refused(f"oci:{place}:6.1", options)


@pytest.mark.usefixtures("cache")
def test_a_machine_without_skopeo_learns_what_to_install(
    layout: Layout, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    line = refused(f"oci:{layout.folder}:6.12", options)
    assert line.endswith("with skopeo, which this machine lacks; apt-get install skopeo")


@needs_skopeo
@pytest.mark.usefixtures("cache")
def test_a_place_lists_its_kernels_by_version(layout: Layout, options: Options) -> None:
    layout.add("mainline", {"boot/vmlinuz": vmlinuz("7.0.0")})
    layout.add("\x1b[31mred", {})
    place = f"oci:{layout.folder}"
    (image,) = provide([f"{place}:6.1"], options)
    every = Options(say=options.say, every=True)
    rows = sources.offers([f"{place}:6.12"], every)
    assert [row.label for row in rows] == [
        f"{place}:{tag}" for tag in ("mainline", "6.1", "6.7rc4", "6.12", "6.12.80")
    ]
    assert [row.series for row in rows] == ["", "6.1", "6.7", "6.12", "6.12"]
    assert [(row.version, row.vmlinuz) for row in rows if row.fetched] == [("6.1", image.vmlinuz)]
    newest = sources.offers([place], options)
    assert [row.version for row in newest] == ["mainline", "6.1", "6.7rc4", "6.12.80"]
    assert [row.label for row in oci.SOURCE.offers("", options)] == [f"{place}:6.1"]
    labels = [row.label for row in rows if row.series]
    assert all(isinstance(found, Image) for _, found in each_or_why(labels, options))


@needs_skopeo
@pytest.mark.usefixtures("cache")
def test_what_lies_between_two_tags_is_in_the_order_of_versions(
    layout: Layout, options: Options
) -> None:
    layout.add("stable", {"boot/vmlinuz": vmlinuz("7.0.0")})
    place = f"oci:{layout.folder}"
    known = sources.between(f"{place}:6.1", f"{place}:6.12", options)
    assert [each.label for each in known] == [f"{place}:{tag}" for tag in ("6.1", "6.7rc4", "6.12")]
    assert [each.fetch().release for each in known] == ["6.1.168", "6.7.0-rc4", "6.12.81"]
    for good, bad, why in (
        (f"{place}:6.12", f"{place}:6.1", "is newer than"),
        (f"{place}:6.1", f"{place}:stable", "stable has no place among the versions"),
        (f"{place}:6.1", f"{place}:9.9", "has no place among the versions"),
        (f"{place}:6.1", "oci:/nowhere:6.2", "are of two repositories"),
        (f"{place}:6.1", "6.12", "no kernels are known between"),
    ):
        with pytest.raises(UsageError, match=why):
            sources.between(good, bad, options)


@pytest.mark.usefixtures("cache")
def test_what_cannot_be_listed_is_said_and_the_others_are_listed(
    layout: Layout, options: Options, said: list[str]
) -> None:
    rows = sources.offers([f"oci:{layout.folder}", "oci:/nowhere"], options)
    assert len(rows) == 3
    (line,) = said
    assert line.startswith("oci:/nowhere is not an OCI layout: ")
    with pytest.raises(FetchFailed, match="is not an OCI layout"):
        sources.offers(["oci:/nowhere"], options)
