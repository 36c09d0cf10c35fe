"""Troubles while a pushed model is downloaded: what huggingface_hub and transformers do about them.

None of our code is on that way; docs/publish.md tells users what these tests show.
"""

import errno
import subprocess
from pathlib import Path

import pytest
import torch
from huggingface_hub import snapshot_download
from huggingface_hub.cli.hf import main as hf
from huggingface_hub.errors import HfHubHTTPError
from safetensors.torch import save_file
from stand_in import FOREVER

from lrcn_hub.models import LrcnCaptioningConfig, LrcnForImageCaptioning
from lrcn_hub.publishing.push import ConnectionBroken, push

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # how huggingface_hub sends files

ID = "user/lrcn-coco"
WEIGHTS = "^GET .*/resolve/.*safetensors"


@pytest.fixture
def folder(make_model, client):
    """A model of 4 MB that is on the Hub."""
    folder = make_model()
    save_file({"weights": torch.randn(1_000_000)}, folder / "model.safetensors")
    push(folder, ID)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name != ".gitattributes"}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with room for half of the model."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def verify(monkeypatch, capsys):
    """Run ``hf cache verify``; gives exit code and words."""

    def run():
        monkeypatch.setattr("sys.argv", ["hf", "cache", "verify", ID])
        with pytest.raises(SystemExit) as end:
            hf()
        captured = capsys.readouterr()
        return end.value.code, captured.out + captured.err

    return run


def test_a_connection_cut_in_the_middle_of_a_file_is_tried_again(hub, folder):
    hub.make_peace()
    hub.make_trouble("cut answer", on=WEIGHTS, times=2)
    assert contents(snapshot_download(ID)) == contents(folder)
    assert sum("GET" in line and "safetensors" in line for line in hub.requests) == 3


@pytest.mark.parametrize("kind", ["drop", "cut answer"])
def test_a_connection_lost_at_any_request_is_an_error_and_a_repeat_goes_on(kind, hub, folder, tmp_path):
    """It is lost for good at the first request, at the second, and so on to the last."""
    failed = 0
    for first in range(1, 100):
        hub.make_peace()
        hub.make_trouble(kind, on="^(GET|HEAD)", first=first, times=FOREVER)
        cache = tmp_path / f"cache-{first}"
        try:
            snapshot_download(ID, cache_dir=cache, max_workers=1)
        except (OSError, ConnectionBroken):
            failed += 1
        struck = sum(trouble.seen >= first for trouble in hub.troubles)
        hub.make_peace()
        assert contents(snapshot_download(ID, cache_dir=cache)) == contents(folder)
        if not struck:
            break
    assert failed >= 5  # the files, and what is asked before them


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_cannot_answer_is_an_error_with_its_status_and_a_repeat_succeeds(status, hub, folder):
    headers = {"Retry-After": "9"} if status == 429 else {}
    hub.make_trouble("answer", on=WEIGHTS, status=status, headers=headers, times=FOREVER)
    with pytest.raises(HfHubHTTPError, match=str(status)):
        snapshot_download(ID)
    hub.make_peace()
    assert contents(snapshot_download(ID)) == contents(folder)


def test_the_pause_that_the_hub_asks_for_is_kept(hub, folder, client):
    hub.make_trouble("answer", on=WEIGHTS, status=429, headers={"Retry-After": "9"})
    assert contents(snapshot_download(ID)) == contents(folder)
    assert client == [10]  # a second more, against rounding


def test_a_refused_token_is_an_error_and_a_valid_one_succeeds(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_unknown")
    with pytest.raises(HfHubHTTPError, match="401"):
        snapshot_download(ID)
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    assert contents(snapshot_download(ID)) == contents(folder)


def test_a_wrong_hash_is_found_by_hf_cache_verify_and_mended_by_a_forced_download(hub, folder, verify):
    hub.make_trouble("corrupt answer", on=WEIGHTS)
    assert contents(snapshot_download(ID)) != contents(folder)  # huggingface_hub looks at the size alone
    code, words = verify()
    assert code == 1
    assert "model.safetensors: expected" in words
    assert contents(snapshot_download(ID, force_download=True)) == contents(folder)
    assert verify()[0] == 0


def test_weights_with_a_wrong_hash_are_refused_and_loading_again_succeeds(hub, client, tmp_path):
    backbone = {"model_type": "lrcn_given_features"}
    torch.manual_seed(0)
    config = LrcnCaptioningConfig(
        backbone_config=backbone, feature_size=4, vocab_size=9, embedding_size=4, hidden_size=4
    )
    model = LrcnForImageCaptioning(config)
    model.save_pretrained(tmp_path / "model")
    push(tmp_path / "model", ID)
    hub.make_trouble("corrupt answer", on=WEIGHTS)
    with pytest.raises(OSError, match=r"damaged on its way from the Hub .* load the model again"):
        LrcnForImageCaptioning.from_pretrained(ID)
    again = LrcnForImageCaptioning.from_pretrained(ID)
    for name, weight in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight)


@pytest.mark.filterwarnings("ignore:Not enough free disk space:UserWarning")  # said before it is tried
def test_a_full_disk_is_an_error_and_a_repeat_succeeds_once_there_is_room(hub, folder, small_disk):
    with pytest.raises(OSError) as error:
        snapshot_download(ID, cache_dir=small_disk)
    assert error.value.errno == errno.ENOSPC
    subprocess.run(["mount", "-o", "remount,size=64M", str(small_disk)], check=True)
    assert contents(snapshot_download(ID, cache_dir=small_disk)) == contents(folder)


def test_too_little_room_is_warned_of_before_it_is_tried(hub, folder, small_disk):
    with pytest.raises(UserWarning, match="Not enough free disk space to download the file"):
        snapshot_download(ID, cache_dir=small_disk)
