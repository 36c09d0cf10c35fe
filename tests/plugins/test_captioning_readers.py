import json
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict
from PIL import Image

from lrcn_captioning.data import CaptioningDataOptions, DataReport
from lrcn_captioning.readers import read_tables

SHARED = Path(__file__).parents[3] / "shared/data"
needs_real_files = pytest.mark.skipif(not SHARED.is_dir(), reason="the real caption files are not here")


def read(reader, **options):
    report = DataReport(reader)
    return read_tables(CaptioningDataOptions(reader=reader, **options), report), report


def sizes(tables):
    return {split: (len(table), sum(map(len, table["captions"]))) for split, table in tables.items()}


def coco_file(path, captions):
    """COCO annotations: `captions` by image id."""
    content = {
        "images": [{"id": number, "file_name": f"{number:012d}.jpg"} for number in captions],
        "annotations": [
            {"id": 10 * number + place, "image_id": number, "caption": text}
            for number, texts in captions.items()
            for place, text in enumerate(texts)
        ],
    }
    path.write_text(json.dumps(content))
    return str(path)


def lines(path, *rows):
    path.write_text("".join(f"{row}\n" for row in rows))
    return str(path)


def files_of(table):
    """The paths behind an image column."""
    return [Path(path) for path in table.data.column("image").combine_chunks().field("path").to_pylist()]


def test_coco_annotations_of_two_sets_lie_beside_their_folders(tmp_path):
    for name in ("train2014", "val2014"):
        (tmp_path / name).mkdir()
    tables, _ = read(
        "coco",
        train_file=coco_file(tmp_path / "captions_train2014.json", {7: ["a dog.", "two dogs"], 9: ["a cat"]}),
        validation_file=coco_file(tmp_path / "captions_val2014.json", {8: ["a bus"]}),
        image_folder=str(tmp_path),
    )
    assert tables["train"]["id"][:] == ["7", "9"]
    assert tables["train"]["captions"][:] == [["a dog.", "two dogs"], ["a cat"]]
    assert files_of(tables["train"])[0] == tmp_path / "train2014/000000000007.jpg"
    assert files_of(tables["validation"]) == [tmp_path / "val2014/000000000008.jpg"]


def test_all_tables_have_the_same_typed_columns(tmp_path):
    Image.new("L", (5, 4)).save(tmp_path / "000000000001.jpg")
    tables, _ = read("coco", test_file=coco_file(tmp_path / "any.json", {1: ["grey"]}))
    row = tables["test"][0]
    assert list(tables) == ["test"] and row.keys() == {"image", "captions", "id"}
    assert (row["image"].size, row["captions"], row["id"]) == ((5, 4), ["grey"], "1")


def test_coco_files_are_divided_by_lists_of_ids(tmp_path):
    tables, report = read(
        "coco",
        train_file=coco_file(tmp_path / "a.json", {1: ["one"], 2: ["two"]}),
        validation_file=coco_file(tmp_path / "b.json", {3: ["three"], 4: ["four"], 5: ["five"]}),
        train_list=lines(tmp_path / "train.txt", 2, 1),
        validation_list=lines(tmp_path / "val.txt", 4, ""),
        test_list=lines(tmp_path / "test.txt", 3),
    )
    assert {split: table["id"][:] for split, table in tables.items()} == {
        "train": ["2", "1"],
        "validation": ["4"],
        "test": ["3"],
    }
    assert report.outside_splits == 1


def test_a_coco_caption_without_its_image_is_refused(tmp_path):
    content = {"images": [], "annotations": [{"id": 1, "image_id": 42, "caption": "a ghost"}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"a\.json: 1 captions without an image, the first for image id 42"):
        read("coco", train_file=str(tmp_path / "a.json"))


def test_files_that_are_no_coco_annotations_are_refused_by_name(tmp_path):
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ValueError, match=r"list\.json: not COCO caption annotations"):
        read("coco", train_file=str(tmp_path / "list.json"))
    (tmp_path / "cut.json").write_text('{"images": [')
    with pytest.raises(ValueError, match=r"cut\.json: not JSON"):
        read("coco", train_file=str(tmp_path / "cut.json"))
    with pytest.raises(FileNotFoundError, match=r"gone\.json"):
        read("coco", train_file=str(tmp_path / "gone.json"))


def karpathy_file(path, **splits):
    rows = [
        {"filename": f"{name}.jpg", "filepath": "val2014", "split": split, "sentences": [{"raw": f"a {name}"}]}
        for split, names in splits.items()
        for name in names
    ]
    path.write_text(json.dumps({"images": rows, "dataset": "coco"}))
    return str(path)


def test_karpathys_splits_are_read_and_restval_is_for_training(tmp_path):
    file = karpathy_file(tmp_path / "dataset_coco.json", train=["dog"], restval=["cat"], val=["bus"], test=["car"])
    tables, report = read("karpathy", path=file, image_folder="photos")
    assert sizes(tables) == {"train": (2, 2), "validation": (1, 1), "test": (1, 1)}
    assert files_of(tables["train"])[1] == Path("photos/val2014/cat.jpg")
    assert report.outside_splits == 0
    tables, report = read("karpathy", path=file, restval_in_train=False)
    assert tables["train"]["captions"][:] == [["a dog"]]
    assert report.outside_splits == 1


def test_a_flickr_token_file_is_divided_by_lists(tmp_path):
    tokens = lines(tmp_path / "t.token", "1.jpg#0\ta dog", "1.jpg#1\tthe dog .", "2.jpg#0\ta cat", "3.jpg.1#0\todd")
    tables, report = read(
        "flickr",
        path=tokens,
        train_list=lines(tmp_path / "train.txt", "1.jpg"),
        test_list=lines(tmp_path / "test.txt", "2"),  # Flickr30k's lists leave the ending out
    )
    assert tables["train"]["captions"][:] == [["a dog", "the dog ."]]
    assert tables["test"]["id"][:] == ["2.jpg"]
    assert files_of(tables["test"]) == [tmp_path / "2.jpg"]
    assert report.outside_splits == 1


def test_a_broken_line_of_a_token_file_is_refused_by_number(tmp_path):
    tokens = lines(tmp_path / "t.token", "1.jpg#0\ta dog", "", "2.jpg a cat")
    with pytest.raises(ValueError, match=r"t\.token, line 3: '2\.jpg a cat' is not"):
        read("flickr", path=tokens)


def test_a_folder_with_metadata_gathers_the_captions_of_an_image(tmp_path):
    rows = [
        {"file_name": "a.jpg", "text": "a dog"},
        {"file_name": "a.jpg", "text": "the dog"},
        {"file_name": "b.jpg", "captions": ["a cat", " "], "split": "dev", "id": 17},
    ]
    lines(tmp_path / "metadata.jsonl", *map(json.dumps, rows))
    tables, _ = read("folder", path=str(tmp_path))
    assert tables["train"]["captions"][:] == [["a dog", "the dog"]]
    assert (tables["validation"]["id"][:], tables["validation"]["captions"][:]) == (["17"], [["a cat"]])


def test_folders_named_as_splits_are_splits(tmp_path):
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        lines(tmp_path / split / "metadata.jsonl", json.dumps({"file_name": "1.jpg", "caption": split}))
    tables, _ = read("folder", path=str(tmp_path))
    assert tables["validation"]["captions"][:] == [["val"]]
    assert files_of(tables["train"]) == [tmp_path / "train/1.jpg"]
    assert tables["train"]["id"][0] != tables["validation"]["id"][0]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not a JSON object"),
        ('["a.jpg"]', "not a JSON object"),
        ('{"name": "a.jpg"}', "not a JSON object with the file_name"),
        ('{"file_name": "/elsewhere/a.jpg", "text": "a"}', "'/elsewhere/a.jpg' is not in the images' folder"),
        ('{"file_name": "../a.jpg", "text": "a"}', "'../a.jpg' is not in the images' folder"),
        ('{"file_name": "a.jpg", "label": 3}', "none of captions, caption, text"),
        ('{"file_name": "a.jpg", "text": "a", "split": "tset"}', "unknown split 'tset'"),
    ],
)
def test_a_bad_line_of_metadata_is_refused_by_number(tmp_path, line, complaint):
    lines(tmp_path / "metadata.jsonl", json.dumps({"file_name": "0.jpg", "text": "fine"}), line)
    with pytest.raises(ValueError, match=rf"metadata\.jsonl, line 2: .*{complaint}"):
        read("folder", path=str(tmp_path))


def test_a_folder_without_metadata_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no metadata\.jsonl"):
        read("folder", path=str(tmp_path))


def picture(colour):
    return Image.new("RGB", (4, 4), colour)


def test_a_saved_dataset_is_read_by_its_columns(tmp_path):
    table = {"photo": [picture("red"), picture("blue")], "first": ["red", "blue"], "second": ["r", ""], "size": [4, 4]}
    DatasetDict(
        train=Dataset.from_dict(table), dev=Dataset.from_dict(table), extra=Dataset.from_dict(table)
    ).save_to_disk(tmp_path / "saved")
    tables, _ = read("datasets", path=str(tmp_path / "saved"), image_column="photo", captions_column="first, second")
    assert sizes(tables) == {"train": (2, 3), "validation": (2, 3)}
    assert tables["train"].column_names == ["image", "captions", "id"]
    assert tables["train"][1]["image"].getpixel((0, 0)) == (0, 0, 255)
    assert not set(tables["train"]["id"]) & set(tables["validation"]["id"])


def test_rows_of_one_id_become_one_picture(tmp_path):
    table = {
        "image": [picture("red"), picture("blue"), picture("red")],
        "caption": ["red", "blue", "again red"],
        "key": [5, 6, 5],
    }
    Dataset.from_dict(table).save_to_disk(tmp_path / "saved")
    tables, _ = read("datasets", path=str(tmp_path / "saved"), captions_column="caption", id_column="key")
    assert tables["train"]["id"][:] == ["5", "6"]
    assert tables["train"]["captions"][:] == [["red", "again red"], ["blue"]]
    assert tables["train"][1]["image"].getpixel((0, 0)) == (0, 0, 255)


def test_a_folder_that_datasets_can_read_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "csv").mkdir()
    picture("red").save(tmp_path / "red.png")
    lines(tmp_path / "csv/train.csv", "file,caption", "red.png,a red square")
    tables, _ = read(
        "datasets",
        path=str(tmp_path / "csv"),
        image_column="file",
        captions_column="caption",
        image_folder=str(tmp_path),
    )
    row = tables["train"][0]
    assert (row["image"].size, row["captions"]) == ((4, 4), ["a red square"])


def test_a_column_that_is_not_there_is_named_beside_those_that_are(tmp_path):
    Dataset.from_dict({"image": [picture("red")], "text": ["red"]}).save_to_disk(tmp_path / "saved")
    with pytest.raises(ValueError, match="no column 'captions' among image, text; set image_column"):
        read("datasets", path=str(tmp_path / "saved"))


def test_a_dataset_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"dataset .*nowhere cannot be loaded"):
        read("datasets", path=str(tmp_path / "nowhere"))


def test_moving_shapes_are_built_in():
    tables, _ = read("moving-shapes", moving_shapes={"train": 3, "validation": 2, "test": 1})
    assert {split: len(table) for split, table in tables.items()} == {"train": 3, "validation": 2, "test": 1}
    assert {"image", "captions", "id"} <= set(tables["test"].column_names)


def test_an_unknown_reader_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown reader 'cocoa'; choose from coco, karpathy"):
        read("cocoa")


@pytest.mark.parametrize("reader", ["coco", "karpathy", "flickr", "folder", "datasets"])
def test_a_reader_says_which_path_it_needs(reader):
    with pytest.raises(ValueError, match=f"the {reader} reader needs"):
        read(reader)


def test_an_empty_dataset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="found no captioned images"):
        read("coco", train_file=coco_file(tmp_path / "a.json", {}))


@needs_real_files
def test_counts_of_coco_val2017():
    tables, _ = read("coco", validation_file=str(SHARED / "captions/coco/captions_val2017.json"))
    assert sizes(tables) == {"validation": (5_000, 25_014)}
    row = dict(zip(tables["validation"]["id"], tables["validation"]["captions"], strict=True))["139"]
    assert row[0] == "A woman stands in the dining area at the table."


@needs_real_files
def test_counts_of_the_coco_photos():
    folder = SHARED / "photos/coco"
    tables, _ = read("coco", train_file=str(folder / "captions.json"), image_folder=str(folder / "images"))
    assert sizes(tables) == {"train": (120, 600)}
    assert all(file.is_file() for file in files_of(tables["train"]))


@needs_real_files
def test_counts_of_a_coco_2014_excerpt():
    tables, _ = read("coco", test_file=str(SHARED / "formats/coco/captions_val2014_excerpt_126.json"))
    assert sizes(tables) == {"test": (126, 631)}


@needs_real_files
def test_counts_of_flickr8k_with_its_stray_id_and_the_images_outside_every_split():
    folder = SHARED / "captions/flickr8k"
    lists = {
        "train_list": str(folder / "Flickr_8k.trainImages.txt"),
        "validation_list": str(folder / "Flickr_8k.devImages.txt"),
        "test_list": str(folder / "Flickr_8k.testImages.txt"),
    }
    tables, report = read("flickr", path=str(folder / "Flickr8k.token.txt"), **lists)
    assert sizes(tables) == {"train": (6_000, 30_000), "validation": (1_000, 5_000), "test": (1_000, 5_000)}
    assert report.outside_splits == 93
    everything, _ = read("flickr", path=str(folder / "Flickr8k.token.txt"))
    assert sizes(everything) == {"train": (8_093, 40_460)}
    assert [name for name in everything["train"]["id"] if not name.endswith(".jpg")] == ["2258277193_586949ec62.jpg.1"]


@needs_real_files
def test_counts_of_kaggles_flickr8k():
    tables, _ = read("flickr", path=str(SHARED / "captions/flickr8k/kaggle_captions_first500.csv"))
    assert sizes(tables) == {"train": (100, 500)}


@needs_real_files
def test_counts_of_karpathys_files():
    tables, _ = read("karpathy", path=str(SHARED / "formats/karpathy/dataset_flickr8k_100_constructed.json"))
    assert sizes(tables) == {"train": (60, 300), "validation": (20, 100), "test": (20, 100)}
    file = SHARED / "formats/karpathy/dataset_coco_1_real_record.json"
    tables, _ = read("karpathy", path=str(file), image_folder="coco")
    assert sizes(tables) == {"test": (1, 5)}
    assert tables["test"]["id"][:] == ["391895"]
    assert files_of(tables["test"]) == [Path("coco/val2014/COCO_val2014_000000391895.jpg")]
