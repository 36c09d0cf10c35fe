import io
import json
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lrcn_captioning.data import CaptionCollator, CaptioningDataOptions, DataReport, load_tables
from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import LrcnCaptioningProcessor, LrcnImageProcessor

PHOTOS = Path(__file__).parents[3] / "shared/data/photos"
IGNORED = -100


def jpeg(number):
    file = io.BytesIO()
    Image.new("RGB", (12, 10), (number * 20 % 256, number, 0)).save(file, "JPEG", quality=95)
    return file.getvalue()


class Folder:
    """An image folder in the making; a picture's content follows from its number."""

    def __init__(self, root):
        self.root = root
        self.rows = []

    def add(self, number, split="train", captions=("a dog",), content=None, key=None):
        name = f"{split}_{number}.jpg"
        (self.root / name).write_bytes(jpeg(number) if content is None else content)
        row = {"file_name": name, "captions": list(captions), "split": split, "id": key or f"{split}-{number}"}
        self.rows.append(row)
        return name

    def load(self, **options):
        (self.root / "metadata.jsonl").write_text("\n".join(map(json.dumps, self.rows)))
        return load_tables(CaptioningDataOptions(reader="folder", path=str(self.root), **options))


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path)
    folder.add(1, captions=["a dog", "the dog"])
    folder.add(2)
    folder.add(3, "test")
    return folder


def test_the_report_counts_what_was_read(folder):
    tables = folder.load()
    expected = DataReport("folder", {"train": 2, "test": 1}, {"train": 3, "test": 1})
    assert DataReport.of(tables["train"]) == DataReport.of(tables["test"]) == expected


def test_an_unreadable_image_is_refused_with_its_name(folder):
    folder.add(4, content=jpeg(4)[:300])
    with pytest.raises(ValueError, match=r"(?s)1 of 3 images .*train_4\.jpg: .*--on_bad_sample skip"):
        folder.load()


def test_bad_samples_are_skipped_and_counted_where_asked_for(folder, caplog):
    name = folder.add(4, content=b"")
    folder.add(5, captions=[" "])
    tables = folder.load(on_bad_sample="skip")
    assert tables["train"]["id"][:] == ["train-1", "train-2"]
    skipped = [(Path(sample.name).name, sample.reason) for sample in DataReport.of(tables["train"]).bad_samples]
    assert sorted(skipped) == [("train-5", "it has no caption"), (name, "the file is empty")]
    assert "1 of 4 images" in caplog.text and "1 of 3 images" in caplog.text


def test_an_image_without_a_caption_is_refused_by_its_id(folder):
    folder.add(4, captions=[])
    with pytest.raises(ValueError, match=r"(?s)1 of 3 images .*train-4: it has no caption"):
        folder.load()


@pytest.mark.parametrize("check_images", [True, False])
def test_a_missing_file_is_refused_whether_or_not_images_are_decoded(folder, check_images):
    (folder.root / folder.add(4)).unlink()
    with pytest.raises(ValueError, match=r"train_4\.jpg: there is no such file"):
        folder.load(check_images=check_images)
    tables = folder.load(check_images=check_images, on_bad_sample="skip")
    assert len(tables["train"]) == 2


def test_a_split_with_nothing_left_is_refused(folder):
    folder.add(4, "validation", content=b"text")
    with pytest.raises(ValueError, match="no usable picture is left in split validation"):
        folder.load(on_bad_sample="skip")


def test_an_id_in_two_splits_is_refused(folder):
    folder.add(4, "test", key="train-1")
    with pytest.raises(ValueError, match=r"1 images are in .*: train-1 in train and in test.*allow_leak"):
        folder.load()


def test_the_same_file_under_another_name_is_found_by_its_content(folder):
    folder.add(4, "test", content=jpeg(2))
    with pytest.raises(ValueError, match="train-2 in train and as test-4 in test"):
        folder.load()


def test_an_allowed_leak_is_warned_of_and_reported(folder, caplog):
    folder.add(1, "test", key="train-1")
    folder.add(2, "test")
    with caplog.at_level(logging.WARNING):
        tables = folder.load(allow_leak=True)
    leaks = ["train-1 in train and in test", "train-2 in train and as test-2 in test"]
    assert DataReport.of(tables["test"]).leaks == leaks
    assert "2 images are in more than one split" in caplog.text
    assert len(tables["test"]) == 3


def test_validation_pictures_are_split_off_evenly_and_alike_each_time(folder):
    for number in range(5, 13):
        folder.add(number)
    tables = folder.load(validation_share=0.3)
    assert {split: len(table) for split, table in tables.items()} == {"train": 7, "validation": 3, "test": 1}
    assert not set(tables["train"]["id"]) & set(tables["validation"]["id"])
    assert folder.load(validation_share=0.3)["validation"]["id"][:] == tables["validation"]["id"][:]
    assert DataReport.of(tables["test"]).images == {"train": 7, "validation": 3, "test": 1}


def test_a_validation_split_that_is_there_stays(folder):
    folder.add(4, "validation")
    assert folder.load(validation_share=0.5)["validation"]["id"][:] == ["validation-4"]


@pytest.mark.parametrize(
    ("option", "value"), [("captions_per_image", 0), ("max_length", 0), ("validation_share", 1.0)]
)
def test_impossible_options_are_refused_with_their_value(option, value):
    with pytest.raises(ValueError, match=f"{option} is {value}"):
        CaptioningDataOptions(**{option: value})


SIDE = 8
WORDS = ["one", "two", "three", "red", "blue"]


@pytest.fixture(scope="module")
def processor():
    image_processor = LrcnImageProcessor(
        size={"height": 12, "width": 12}, crop_size={"height": SIDE, "width": SIDE}, image_mean=(0, 0, 0)
    )
    return LrcnCaptioningProcessor(image_processor, build_word_tokenizer(WORDS))


def gradient():
    """Red grows to the right, green downwards."""
    level = np.linspace(0, 255, 12, dtype=np.uint8)
    across, down = np.meshgrid(level, level)
    return Image.fromarray(np.stack([across, down, np.zeros_like(down)], axis=-1))


def rows(seed=0):
    return [
        {"image": gradient(), "captions": ["one", "two two", "three three three"], "id": "a", "seed": seed},
        {
            "image": gradient().transpose(Image.Transpose.ROTATE_90),
            "captions": ["red", "blue"],
            "id": "b",
            "seed": seed + 1,
        },
    ]


def collator(processor, training=True, **options):
    return CaptionCollator(processor, CaptioningDataOptions(**options), training)


def words_of(labels):
    return [[WORDS[i - 2] for i in row if i > 1] for row in labels.tolist()]


def test_captions_point_to_their_picture(processor):
    batch = collator(processor, captions_per_image=None, augment=False)(rows())
    assert batch["pixel_values"].shape == (2, 3, SIDE, SIDE)
    assert batch["image_index"].tolist() == [0, 0, 0, 1, 1]
    assert batch["image_index"].dtype == batch["labels"].dtype == torch.long
    words = words_of(batch["labels"])
    assert sorted(words[:3]) == [["one"], ["three"] * 3, ["two"] * 2]
    assert sorted(words[3:]) == [["blue"], ["red"]]


def test_labels_end_with_end_of_sentence_and_ignored_positions(processor):
    labels = collator(processor, captions_per_image=None)(rows())["labels"]
    for row in labels.tolist():
        length = next(place for place, label in enumerate(row) if label == 0)
        assert min(row[:length]) > 1
        assert row[length + 1 :] == [IGNORED] * (len(row) - length - 1)


def test_a_caption_of_twenty_words_has_no_end_of_sentence_target(processor):
    long = [{**rows()[0], "captions": ["one " * 20]}, {**rows()[0], "captions": ["one " * 19]}]
    assert collator(processor)(long)["labels"].tolist() == [[2] * 20, [2] * 19 + [0]]


def test_captions_per_image_is_a_number_of_different_captions(processor):
    for seed in range(20):
        batch = collator(processor, captions_per_image=2)(rows(seed))
        assert batch["image_index"].tolist() == [0, 0, 1, 1]
        assert len({tuple(row) for row in batch["labels"].tolist()}) == 4


def test_every_caption_is_drawn_about_equally_often(processor):
    draws = [words_of(collator(processor)(rows(seed)[:1])["labels"])[0][0] for seed in range(0, 900, 2)]
    for word in ("one", "two", "three"):
        assert 110 < draws.count(word) < 190  # 150 expected, standard deviation 10


def test_the_same_seed_gives_the_same_batch_and_another_seed_another(processor):
    first, again, other = (collator(processor, captions_per_image=2)(rows(seed)) for seed in (3, 3, 5))
    assert first.pop("references") == again.pop("references")
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["pixel_values"], other["pixel_values"])


def test_a_row_is_drawn_alike_in_whatever_batch_it_comes(processor):
    both = collator(processor)(rows(7))
    alone = collator(processor)(rows(7)[1:])
    assert torch.equal(both["pixel_values"][1], alone["pixel_values"][0])


def test_training_views_are_crops_of_the_picture_mirrored_half_the_time(processor):
    views = [collator(processor)(rows(seed)[:1])["pixel_values"][0] for seed in range(60)]
    rising = [bool(view[2, 0, -1] > view[2, 0, 0]) for view in views]  # BGR: the red gradient runs to the right
    assert 15 < sum(rising) < 45
    assert len({float(view[1, 0, 0]) for view in views}) > 2  # the crop's top edge moves
    plain = [collator(processor, mirror=False)(rows(seed)[:1])["pixel_values"][0] for seed in range(20)]
    assert all(view[2, 0, -1] > view[2, 0, 0] for view in plain)


def test_without_augmentation_training_sees_what_evaluation_sees(processor):
    training = collator(processor, augment=False)(rows())
    evaluation = collator(processor, training=False)(rows())
    assert torch.equal(training["pixel_values"], evaluation["pixel_values"])
    assert evaluation.keys() == {"pixel_values"}


def test_evaluation_needs_no_seed(processor):
    row = {"image": gradient(), "captions": [], "id": "a"}
    assert collator(processor, training=False)([row])["pixel_values"].shape == (1, 3, SIDE, SIDE)


def test_a_collator_crosses_to_data_loading_processes(processor):
    made = collator(processor)
    copy = pickle.loads(pickle.dumps(made))
    assert torch.equal(copy(rows())["pixel_values"], made(rows())["pixel_values"])


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the real photos are not here")
def test_the_real_photos_are_read_checked_and_put_into_a_batch(processor):
    options = CaptioningDataOptions(
        reader="coco",
        train_file=str(PHOTOS / "coco/captions.json"),
        image_folder=str(PHOTOS / "coco/images"),
        captions_per_image=None,
    )
    table = load_tables(options)["train"]
    report = DataReport.of(table)
    assert (report.images, report.captions, report.bad_samples) == ({"train": 120}, {"train": 600}, [])
    batch = CaptionCollator(processor, options, training=True)([{**table[row], "seed": row} for row in range(4)])
    assert batch["pixel_values"].shape == (4, 3, SIDE, SIDE)
    assert len(batch["labels"]) == sum(map(len, table[:4]["captions"]))
