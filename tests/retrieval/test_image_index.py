"""Features kept on disk: the same as without, computed once for each state of a file."""

import numpy as np
import pytest
import torch
from PIL import Image

from lrcn_hub.retrieval import ImageIndex, encode_images, image_files


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for number, name in enumerate(["b.png", "a.JPG", "more/c.bmp"]):
        noise(number).save(folder / name)
    (folder / "notes.txt").write_text("no photo")
    return folder


def noise(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (70, 70, 3), np.uint8))


@pytest.fixture
def looks(seeing):
    """How many pictures the network has looked at, each time."""
    seen = []
    handle = seeing[0].encoder.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    yield seen
    handle.remove()


def test_images_are_found_in_folders_below(photos):
    assert image_files(photos) == [photos / "a.JPG", photos / "b.png", photos / "more" / "c.bmp"]


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"there are no images in it, files that end in \.jpg"):
        image_files(tmp_path)
    with pytest.raises(NotADirectoryError, match="none: there is no such folder"):
        image_files(tmp_path / "none")


def test_a_second_look_computes_nothing(seeing, photos, tmp_path, looks):
    files = image_files(photos)
    wanted = encode_images(*seeing, files)
    features, readable, bad = ImageIndex(*seeing, tmp_path / "index").look(files)
    torch.testing.assert_close(features, wanted)
    assert (readable, bad) == ([0, 1, 2], [])
    assert (wanted[0] - wanted[1]).abs().max() > 1e-3
    assert looks == [3, 3]
    again, _, _ = ImageIndex(*seeing, tmp_path / "index").look(files[::-1])
    assert looks == [3, 3]
    assert torch.equal(again, features.flip(0))


def test_a_file_that_changed_is_looked_at_anew(seeing, photos, tmp_path, looks):
    files = image_files(photos)
    ImageIndex(*seeing, tmp_path / "index").look(files)
    noise(9).resize((90, 80)).save(files[1])
    features, _, _ = ImageIndex(*seeing, tmp_path / "index").look(files)
    assert looks == [3, 1]
    torch.testing.assert_close(features, encode_images(*seeing, files))


def test_unreadable_files_are_left_out_by_name(seeing, photos, tmp_path):
    (photos / "b.png").write_bytes(b"\x89PNG and nothing more")
    files = [*image_files(photos), photos / "gone.png"]
    features, readable, bad = ImageIndex(*seeing, tmp_path / "index").look(files)
    assert (readable, len(features)) == ([0, 2], 2)
    assert [one.name for one in bad] == [str(photos / "b.png"), str(photos / "gone.png")]
    assert bad[1].reason == "there is no such file"
    with pytest.raises(ValueError, match=r"none of 2 images can be read:\n.*b\.png"):
        ImageIndex(*seeing, tmp_path / "index").look([photos / "b.png", photos / "gone.png"])
