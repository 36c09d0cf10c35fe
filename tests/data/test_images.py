import hashlib
import io
import logging
from pathlib import Path

import pytest
from datasets import Dataset, Features
from datasets import Image as ImageFeature
from PIL import Image

from lrcn_hub.data.bad_samples import BadSample
from lrcn_hub.data.images import check_images, content_digests

ODD = Path(__file__).parents[3] / "shared/data/images_odd"


def jpeg(colour="red"):
    file = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def paths(tmp_path):
    contents = {"good.jpg": jpeg(), "cut.jpg": jpeg()[:400], "empty.jpg": b"", "fine.png": jpeg("blue")}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return [str(tmp_path / name) for name in contents]


def test_good_images_pass(paths):
    assert check_images([paths[0], paths[3]]) == ([True, True], [])


def test_bad_images_are_refused_with_their_names_and_the_way_out(paths):
    with pytest.raises(ValueError) as error:
        check_images(paths)
    message = str(error.value)
    assert "2 of 4 images" in message
    assert "cut.jpg" in message and "empty.jpg: the file is empty" in message and "good.jpg" not in message
    assert "--on_bad_sample skip" in message


def test_bad_images_are_reported_where_skipping_was_asked_for(paths, caplog):
    with caplog.at_level(logging.WARNING):
        good, bad = check_images(paths, "skip")
    assert good == [True, False, False, True]
    assert [Path(sample.name).name for sample in bad] == ["cut.jpg", "empty.jpg"]
    assert bad[1] == BadSample(paths[2], "the file is empty")
    assert "2 of 4 images" in caplog.text


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.jpg: there is no such file"):
        check_images([tmp_path / "gone.jpg"])


def test_a_long_list_of_bad_images_is_cut_short(tmp_path):
    with pytest.raises(ValueError, match=r"(?s)300 of 300 .*9\.jpg.*and 290 more"):
        check_images([tmp_path / f"{number}.jpg" for number in range(300)])


def test_embedded_bytes_and_pil_images_are_checked_too():
    images = [jpeg(), b"text", Image.new("L", (2, 2))]
    good, bad = check_images(images, "skip", names=["a", "b", "c"])
    assert (good, [sample.name for sample in bad]) == ([True, False, True], ["b"])
    assert [sample.name for sample in check_images(images, "skip")[1]] == ["image 1"]


def test_an_undecoded_column_of_a_table_is_checked(paths):
    cells = [{"path": paths[0], "bytes": None}, {"path": "inside.jpg", "bytes": b"text"}]
    table = Dataset.from_dict({"image": cells}, features=Features({"image": ImageFeature(decode=False)}))
    good, bad = check_images(table["image"], "skip")
    assert (good, [sample.name for sample in bad]) == ([True, False], ["inside.jpg"])


def test_another_word_for_what_to_do_is_refused(paths):
    with pytest.raises(ValueError, match="on_bad_sample='ignore': choose refuse or skip"):
        check_images(paths[:1], "ignore")


def test_digests_tell_files_by_content(paths):
    digests = content_digests([paths[0], jpeg(), paths[3]])
    assert digests[0] == digests[1] == hashlib.sha256(jpeg()).hexdigest()
    assert digests[2] != digests[0]


@pytest.mark.skipif(not ODD.is_dir(), reason="the odd images are not here")
def test_the_odd_images_are_sorted_into_good_and_bad():
    files = sorted(ODD.iterdir())
    good, bad = check_images(files, "skip")
    assert (len(good), sum(good)) == (14, 11)
    names = [Path(sample.name).name for sample in bad]
    assert names == ["derived_text.jpg", "derived_zero_length.jpg", "torchcodec_corrupt.jpg"]
