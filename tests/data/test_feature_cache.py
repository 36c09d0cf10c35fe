import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lrcn_hub.data import feature_cache
from lrcn_hub.data.feature_cache import FeatureCache, Source, stored

DESCRIPTION = {"weights": "abc", "preprocessing": {"size": 32}, "sampling": {"views": 1}}


@pytest.fixture
def files(tmp_path):
    """Five files of different contents."""
    folder = tmp_path / "videos"
    folder.mkdir()
    paths = [folder / f"{number}.avi" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_text("x" * (number + 1))
    return paths


def features(number):
    return torch.arange(12.0).view(1, 4, 3) + 100 * number


class Counted:
    """Computes, and remembers of which sources."""

    def __init__(self):
        self.groups = []

    def __call__(self, numbers):
        self.groups.append(numbers)
        return [features(number) for number in numbers]


def fill(folder, paths, compute=None, description=DESCRIPTION, **options):
    compute = compute or Counted()
    references = FeatureCache(folder, description).fill([Source.of_file(p) for p in paths], compute, **options)
    return references, compute


def shards(folder):
    return sorted(folder.rglob("*.safetensors"))


def test_what_was_computed_is_read_back_and_not_computed_again(tmp_path, files):
    references, compute = fill(tmp_path / "cache", files)
    assert compute.groups == [[0], [1], [2], [3], [4]]
    for number, reference in enumerate(references):
        assert torch.equal(stored(reference)[:], features(number))
        assert torch.equal(stored(reference)[0, 1:3], features(number)[0, 1:3])
        assert stored(reference).get_shape() == [1, 4, 3]
    again, compute = fill(tmp_path / "cache", files)
    assert again == references and not compute.groups


def test_sources_are_computed_together_and_equal_ones_once(tmp_path):
    contents = [b"one", b"two", b"one", b"three", b"two"]
    sources = [Source.of_content(content, f"row {number}") for number, content in enumerate(contents)]
    compute = Counted()
    references = FeatureCache(tmp_path, DESCRIPTION).fill(sources, compute, at_once=2)
    assert compute.groups == [[0, 1], [3]]
    assert references[0] == references[2] and references[1] == references[4]
    assert [int(stored(reference)[0, 0, 0]) for reference in references] == [0, 100, 0, 300, 100]


def test_only_what_is_missing_is_computed(tmp_path, files):
    fill(tmp_path / "cache", files[:3])
    references, compute = fill(tmp_path / "cache", files)
    assert compute.groups == [[3], [4]]
    assert torch.equal(stored(references[1])[:], features(1)) and torch.equal(stored(references[4])[:], features(4))


@pytest.mark.parametrize(
    "change", [{"weights": "abd"}, {"preprocessing": {"size": 48}}, {"sampling": {"views": 10}}, {"more": 1}]
)
def test_another_description_never_meets_these_features(tmp_path, files, change, caplog):
    fill(tmp_path, files)
    with caplog.at_level("INFO", logger="lrcn_hub"):
        _, compute = fill(tmp_path, files, description={**DESCRIPTION, **change})
    assert len(compute.groups) == 5
    assert f"does not fit: it differs in {next(iter(change))}" in caplog.text
    assert not fill(tmp_path, files)[1].groups  # the first ones are still there


def test_features_in_the_folder_of_others_are_refused_with_what_differs(tmp_path, files):
    fill(tmp_path / "one", files)
    fill(tmp_path / "two", files[:1], description={**DESCRIPTION, "weights": "other"})
    foreign = Path(shutil.copy(shards(tmp_path / "two")[0], shards(tmp_path / "one")[0].parent))
    with pytest.raises(ValueError, match=r'weights: "other" against "abc".*Delete this file') as caught:
        fill(tmp_path / "one", files)
    assert str(foreign) in str(caught.value)
    foreign.unlink()
    assert not fill(tmp_path / "one", files)[1].groups


def test_a_file_that_has_changed_is_refused_by_name_and_computed_anew_where_its_shard_is_deleted(tmp_path, files):
    fill(tmp_path / "cache", files)
    files[2].write_text("something else")
    with pytest.raises(
        ValueError, match=r"2\.avi is not the file .* had 3 bytes.*this has 14 bytes.*delete"
    ) as caught:
        fill(tmp_path / "cache", files)
    shard = shards(tmp_path / "cache")[0]
    assert str(shard) in str(caught.value)
    shard.unlink()
    assert len(fill(tmp_path / "cache", files)[1].groups) == 5


def test_a_file_of_the_same_size_but_another_time_is_refused(tmp_path, files):
    fill(tmp_path / "cache", files)
    os.utime(files[0], ns=(0, 10**18))
    with pytest.raises(ValueError, match=r"0\.avi is not the file whose features are kept"):
        fill(tmp_path / "cache", files)


def test_a_damaged_shard_is_refused_by_name(tmp_path, files):
    fill(tmp_path / "cache", files)
    shard = shards(tmp_path / "cache")[0]
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(ValueError, match=rf"{shard.name}: damaged .*delete it"):
        fill(tmp_path / "cache", files)


def test_somebody_elses_tensors_are_refused_by_name(tmp_path, files):
    fill(tmp_path / "cache", files)
    save_file({"a": torch.zeros(1)}, shards(tmp_path / "cache")[0].with_name("other.safetensors"))
    with pytest.raises(ValueError, match=r"other\.safetensors: no features of ours"):
        fill(tmp_path / "cache", files)


def test_features_that_have_gone_meanwhile_are_named(tmp_path, files):
    references, _ = fill(tmp_path / "cache", files)
    shards(tmp_path / "cache")[0].unlink()
    with pytest.raises(ValueError, match=r"features are gone or damaged .*run the same command again"):
        stored(references[0])


def test_values_that_are_not_finite_are_refused_with_the_file(tmp_path, files):
    with pytest.raises(ValueError, match=r"0\.avi: the backbone gives values for it that are not finite"):
        fill(tmp_path / "cache", files, lambda numbers: [torch.tensor([float("nan")]) for _ in numbers])


def test_a_full_disk_is_called_so_and_leaves_no_half_shard(tmp_path, files, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"240 bytes of features cannot be written \(No space left.*make room"):
        fill(tmp_path / "cache", files)
    assert not list((tmp_path / "cache").rglob("*.*"))


KILLED = """
import os, signal, sys, torch
from lrcn_hub.data import feature_cache
from lrcn_hub.data.feature_cache import FeatureCache, Source
feature_cache.SHARD_BYTES = 96  # two entries
count = 0
def compute(numbers):
    global count
    if count == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    count += 1
    return [torch.arange(12.0).view(1, 4, 3) + 100 * numbers[0]]
FeatureCache(sys.argv[1], {description}).fill([Source.of_file(path) for path in sys.argv[2:]], compute)
"""


def test_a_killed_run_loses_only_the_shard_in_progress(tmp_path, files):
    files = [*files, *[path.with_name(f"again{path.name}") for path in files]]
    for number, path in enumerate(files[5:]):
        path.write_text("y" * (number + 1))
    script = KILLED.replace("{description}", repr(DESCRIPTION)).replace("== 4", "== 5")
    words = [sys.executable, "-c", script, str(tmp_path / "cache"), *map(str, files)]
    process = subprocess.run(words, capture_output=True, text=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert len(shards(tmp_path / "cache")) == 2  # the fifth was computed, its shard not full
    references, compute = fill(tmp_path / "cache", files)
    assert compute.groups == [[number] for number in range(4, 10)]
    for number, reference in enumerate(references):
        assert torch.equal(stored(reference)[:], features(number))


def test_a_shard_is_closed_after_a_minute(tmp_path, files, monkeypatch):
    now = iter(range(0, 1000, 40))
    monkeypatch.setattr(feature_cache.time, "monotonic", lambda: float(next(now)))
    fill(tmp_path / "cache", files)
    assert len(shards(tmp_path / "cache")) > 1


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="the system does not tell what is mapped")
def test_a_few_frames_of_a_long_video_are_read_without_the_rest(tmp_path, files):
    frames = 30_000
    references, _ = fill(
        tmp_path / "cache", files[:1], lambda _: [torch.arange(2 * frames * 256.0).view(2, frames, 256)]
    )
    window = stored(references[0])[0, 20_000:20_016]
    assert torch.equal(window, torch.arange(20_000 * 256.0, 20_016 * 256.0).view(16, 256))
    shard = shards(tmp_path / "cache")[0]
    assert shard.stat().st_size > 60_000_000 and 0 < resident_bytes(shard) < 15_000_000


def resident_bytes(file):
    """How much of the mapped `file` has been read into this process."""
    total, here = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            here = line.endswith(str(file))
        elif here and words[0] == "Rss:":
            total += 1024 * int(words[1])
    return total


def test_a_shard_tells_what_its_features_depend_on(tmp_path, files):
    fill(tmp_path / "cache", files)
    with safe_open(shards(tmp_path / "cache")[0], framework="pt") as opened:
        metadata = opened.metadata()
    assert json.loads(metadata["description"]).items() >= DESCRIPTION.items()
    assert len(json.loads(metadata["states"])) == 5
