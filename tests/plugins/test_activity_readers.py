import json
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict, Features, Value, Video

from lrcn_activity.data import DataReport, load_tables
from lrcn_activity.options import ActivityDataOptions
from lrcn_activity.readers import read_classes, read_examples

FORMATS = Path(__file__).parents[3] / "shared/data/formats"
needs_real_lists = pytest.mark.skipif(not FORMATS.is_dir(), reason="the real list files are not here")
CLASSES = ["Archery", "BabyCrawling", "Diving"]


def load(reader, path="", **options):
    return load_tables(ActivityDataOptions(reader=reader, path=str(path), **options))


def rows(table):
    names = table.features["label"].names
    return [(row["id"], names[row["label"]], row["group"]) for row in table]


@pytest.fixture
def ucf(tmp_path, write_video):
    """UCF-101 as it lies on a disk, with three classes of two videos from each of three groups."""
    root, lists = tmp_path / "UCF-101", tmp_path / "ucfTrainTestlist"
    lists.mkdir()
    write = {"trainlist01.txt": [], "testlist01.txt": [], "trainlist02.txt": [], "testlist02.txt": []}
    for number, name in enumerate(CLASSES, 1):
        for group in (1, 2, 3):
            for clip in (1, 2):
                line = f"{name}/v_{name}_g{group:02d}_c{clip:02d}.avi"
                write_video(root / line, frames=3, seed=100 * number + 10 * group + clip)
                write["testlist01.txt" if group == 1 else "trainlist01.txt"].append((line, number, group != 1))
                write["testlist02.txt" if group == 2 else "trainlist02.txt"].append((line, number, group != 2))
    for file, lines in write.items():
        content = "".join(f"{line} {number}\r\n" if labelled else f"{line}\r\n" for line, number, labelled in lines)
        (lists / file).write_bytes(content.encode())
    (lists / "classInd.txt").write_bytes("".join(f"{k} {n}\r\n" for k, n in enumerate(CLASSES, 1)).encode())
    return root


def test_ucf101_is_read_with_its_official_split_and_classes(ucf):
    tables = load("ucf101", ucf)
    assert {split: len(table) for split, table in tables.items()} == {"train": 12, "test": 6}
    assert tables["test"].features["label"].names == CLASSES
    assert rows(tables["test"])[2] == ("BabyCrawling/v_BabyCrawling_g01_c01", "BabyCrawling", "v_BabyCrawling_g01")
    assert tables["test"][2]["video"] == str(ucf / "BabyCrawling/v_BabyCrawling_g01_c01.avi")
    assert {row["group"][-3:] for row in load("ucf101", ucf, split=2)["test"]} == {"g02"}
    report = DataReport.of(tables["train"])
    assert (report.reader, report.videos, report.bad_samples) == ("ucf101", {"train": 12, "test": 6}, [])


def test_validation_takes_whole_groups_of_the_training_videos(ucf):
    tables = load("ucf101", ucf, validation_share=0.5)
    train, validation = (set(tables[split]["group"]) for split in ("train", "validation"))
    assert len(validation) == 3 and not train & validation
    assert len(tables["train"]) + len(tables["validation"]) == 12


def test_the_authors_own_lists_take_the_place_of_the_official_ones(ucf, tmp_path):
    (tmp_path / "train.txt").write_text("Diving/v_Diving_g02_c01 2\nArchery/v_Archery_g03_c02 0\n")
    tables = load("ucf101", ucf, train_list=str(tmp_path / "train.txt"))
    assert rows(tables["train"]) == [
        ("Diving/v_Diving_g02_c01", "Diving", "v_Diving_g02"),
        ("Archery/v_Archery_g03_c02", "Archery", "v_Archery_g03"),
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("Diving/v_Diving_g02_c01.avi 2", r"train\.txt, line 1: class Diving has the label 2, but .* it is 3"),
        ("Diving/v_Diving_g02_c01 3", r"train\.txt, line 1: class Diving has the label 3, but .* it is 2"),
        ("Sailing/v_Sailing_g02_c01.avi 1", r"train\.txt, line 1: unknown class 'Sailing'"),
        ("../secret/v_Diving_g02_c01.avi 3", r"train\.txt, line 1: '\.\./secret.*' is not in the videos' folder"),
        ("/etc/passwd 1", r"train\.txt, line 1: '/etc/passwd\.avi' is not in the videos' folder"),
        ("Diving/v_Diving_g09_c01.avi 3", r"train\.txt, line 1: .*g09_c01\.avi: there is no such file"),
        ("Diving/v_Diving_g02_c01.avi 3\nDiving/v_Diving_g02_c01.avi 3", r"line 2: .* is there already \(.*line 1\)"),
    ],
)
def test_a_wrong_line_of_a_list_is_refused_by_file_and_line(ucf, tmp_path, line, complaint):
    (tmp_path / "train.txt").write_text(line)
    with pytest.raises(ValueError, match=complaint):
        load("ucf101", ucf, train_list=str(tmp_path / "train.txt"))


def test_a_group_on_both_sides_is_refused_or_remembered(ucf, tmp_path):
    (tmp_path / "train.txt").write_text("Diving/v_Diving_g02_c01.avi 3\nArchery/v_Archery_g03_c02.avi 1\n")
    (tmp_path / "test.txt").write_text("Diving/v_Diving_g02_c02.avi\n")
    lists = {"train_list": str(tmp_path / "train.txt"), "test_list": str(tmp_path / "test.txt")}
    with pytest.raises(ValueError, match=r"1 videos or groups are in more.*group v_Diving_g02 in train and in test"):
        load("ucf101", ucf, **lists)
    tables = load("ucf101", ucf, **lists, allow_leak=True)
    assert "v_Diving_g02" in DataReport.of(tables["test"]).leaks[0]


def test_a_video_in_two_splits_is_refused_though_nothing_tells_groups(tmp_path, write_video):
    write_video(tmp_path / "a.avi")
    (tmp_path / "t.csv").write_text("video,label,split,name\na.avi,x,train,1\n./a.avi,x,test,2\n")
    with pytest.raises(ValueError, match=r"2 in train and in test|1 in train and in test|t\.csv, line 3"):
        load("csv", tmp_path / "t.csv", id_column="name")


def test_unreadable_videos_are_refused_by_name_or_skipped_and_counted(ucf):
    broken = ucf / "Diving/v_Diving_g02_c01.avi"
    broken.write_bytes(broken.read_bytes()[:300])
    (ucf / "Archery/v_Archery_g02_c01.avi").unlink()
    with pytest.raises(
        ValueError, match=r"1 of 12 videos cannot be used:\n.*trainlist01\.txt, line 1: .*no such file"
    ):
        load("ucf101", ucf)
    tables = load("ucf101", ucf, on_bad_sample="skip")
    report = DataReport.of(tables["train"])
    assert len(tables["train"]) == 10 == report.videos["train"]
    assert len(report.bad_samples) == 2 and "v_Diving_g02_c01.avi" in report.bad_samples[1].name


def test_a_split_with_no_usable_video_is_refused(ucf):
    for file in ucf.glob("*/*_g01_*"):
        file.write_bytes(b"")
    with pytest.raises(ValueError, match="no usable video is left in split test"):
        load("ucf101", ucf, on_bad_sample="skip")


def test_class_lists_are_read_with_numbers_or_without(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("brush hair\ncartwheel\n")
    assert read_classes(file) == ["brush hair", "cartwheel"]
    file.write_text("1 Archery\r\n2 Diving\r\n")
    assert read_classes(file) == ["Archery", "Diving"]
    for content, complaint in [
        ("1 Archery\n3 Diving\n", r"classes\.txt, line 2: the class has the number 3; it must be 2"),
        ("a\na\n", r"classes\.txt: class 'a' is there twice"),
        ("", r"classes\.txt: it names no class"),
    ]:
        file.write_text(content)
        with pytest.raises(ValueError, match=complaint):
            read_classes(file)


def test_a_missing_class_list_is_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no classInd\.txt in .*--data\.list_folder"):
        load("ucf101", tmp_path)


def test_a_folder_of_splits_and_classes(tmp_path, write_video):
    for place in ("train/run/a.mp4", "train/jump/b.avi", "val/run/c.avi", "testing/jump/d é.avi"):
        write_video(tmp_path / place)
    tables = load("folder", tmp_path)
    assert {split: rows(table) for split, table in tables.items()} == {
        "train": [("train/jump/b.avi", "jump", ""), ("train/run/a.mp4", "run", "")],
        "validation": [("val/run/c.avi", "run", "")],
        "test": [("testing/jump/d é.avi", "jump", "")],
    }


def test_a_folder_of_classes_is_for_training(tmp_path, write_video):
    for place in ("run/a.avi", "run/b.avi", "jump/c.avi"):
        write_video(tmp_path / place)
    tables = load("folder", tmp_path, validation_share=0.3)
    assert {split: len(table) for split, table in tables.items()} == {"train": 2, "validation": 1}


def test_what_is_wrong_with_a_folder_is_said(tmp_path, write_video):
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such folder"):
        load("folder", tmp_path / "nowhere")
    write_video(tmp_path / "train/run/a.avi")
    write_video(tmp_path / "test/swim/b.avi")
    with pytest.raises(ValueError, match=r"b\.avi: unknown class 'swim'; the 1 classes are run"):
        load("folder", tmp_path)
    (tmp_path / "train/jump").mkdir()
    with pytest.raises(ValueError, match="train/jump: class 'jump' has no videos"):
        load("folder", tmp_path)
    (tmp_path / "extras").mkdir()
    with pytest.raises(ValueError, match="extras: unknown split"):
        load("folder", tmp_path)


@pytest.fixture
def four(tmp_path, write_video):
    for number in range(4):
        write_video(tmp_path / f"videos/{number}.avi", seed=number)
    return tmp_path


def test_a_csv_with_a_column_of_splits(four):
    lines = ["clip,action,split1", "0.avi,run,1", "1.avi,jump,1", "2.avi,run,2", "3.avi,run,0"]
    (four / "hmdb.csv").write_text("\n".join(lines))
    options = {"video_column": "clip", "label_column": "action", "split_column": "split1"}
    file = str(four / "hmdb.csv")
    tables = load("csv", file, **options, video_folder=str(four / "videos"))
    assert rows(tables["train"]) == [("0.avi", "run", ""), ("1.avi", "jump", "")]
    assert tables["train"].features["label"].names == ["jump", "run"]
    assert [row["video"] for row in tables["test"]] == [str(four / "videos/2.avi")]
    assert DataReport.of(tables["test"]).outside_splits == 1


def test_jsonl_files_for_each_split_with_numbers_of_classes(four):
    (four / "classes.txt").write_text("run\njump\n")
    train = [{"video": "videos/0.avi", "label": 1, "who": "p1"}, {"video": "videos/1.avi", "label": 0, "who": "p2"}]
    (four / "train.jsonl").write_text("\n".join(map(json.dumps, train)))
    (four / "test.jsonl").write_text(json.dumps({"video": "videos/2.avi", "label": "jump", "who": "p3"}))
    files = {"train_file": str(four / "train.jsonl"), "test_file": str(four / "test.jsonl")}
    tables = load("csv", **files, class_file=str(four / "classes.txt"), group_column="who")
    assert rows(tables["train"]) == [("videos/0.avi", "jump", "p1"), ("videos/1.avi", "run", "p2")]
    assert rows(tables["test"]) == [("videos/2.avi", "jump", "p3")]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("video,label,split\nvideos/0.avi,run,later\n", r"t\.csv, line 2: unknown split 'later'"),
        ("video,label\nvideos/0.avi,\n", r"t\.csv, line 2: nothing in column 'label'; there is video, label"),
        ("file,label\nvideos/0.avi,run\n", r"t\.csv, line 2: nothing in column 'video'"),
        ("video,label\nvideos/../../0.avi,run\n", r"t\.csv, line 2: .* is not in the videos' folder"),
        ("video,label\nvideos/9.avi,run\n", r"t\.csv, line 2: .*videos/9\.avi: there is no such file"),
        ("video,label\n", r"the csv reader found no labelled videos in .*t\.csv"),
    ],
)
def test_a_wrong_row_is_refused_by_file_and_line(four, content, complaint):
    (four / "t.csv").write_text(content)
    with pytest.raises(ValueError, match=complaint):
        load("csv", four / "t.csv")


def test_lines_that_are_no_objects_are_refused(four):
    for content, complaint in [("{", r"t\.jsonl, line 1: not JSON"), ("3", r"t\.jsonl, line 1: not a JSON object")]:
        (four / "t.jsonl").write_text(content)
        with pytest.raises(ValueError, match=complaint):
            load("csv", four / "t.jsonl")


def test_a_dataset_with_columns_of_other_names(four):
    columns = {"file": ["0.avi", "1.avi"], "what": ["run", "jump"], "key": ["a", "b"]}
    DatasetDict({"train": Dataset.from_dict(columns)}).save_to_disk(four / "set")
    names = {"video_column": "file", "label_column": "what", "id_column": "key"}
    tables = load("datasets", four / "set", **names, video_folder=str(four / "videos"))
    assert rows(tables["train"]) == [("a", "run", ""), ("b", "jump", "")]
    with pytest.raises(ValueError, match="no column 'video' among file, what, key; set video_column"):
        load("datasets", four / "set")


def test_videos_that_a_dataset_holds_are_unpacked_to_files(four, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", four / "cache")
    content = (four / "videos/0.avi").read_bytes()
    cells = [{"bytes": content, "path": "0.avi"}, {"bytes": None, "path": str(four / "videos/1.avi")}]
    features = Features({"video": Video(decode=False), "label": Value("string")})
    Dataset.from_dict({"video": cells, "label": ["run", "jump"]}, features).save_to_disk(four / "set")
    table = load("datasets", four / "set")["train"]
    assert Path(table[0]["video"]).read_bytes() == content
    assert Path(table[1]["video"]).read_bytes() == (four / "videos/1.avi").read_bytes()


def test_an_unknown_reader_and_a_missing_path_are_refused():
    with pytest.raises(ValueError, match="unknown reader 'avi'; choose from ucf101, folder, csv, datasets, moving-sh"):
        load("avi")
    with pytest.raises(ValueError, match="the folder reader needs path"):
        load("folder")


def examples_of(**options):
    return read_examples(ActivityDataOptions(reader="ucf101", path="videos", **options))


@needs_real_lists
@pytest.mark.parametrize(("split", "sizes"), [(1, (9537, 3783)), (2, (9586, 3734)), (3, (9624, 3696))])
def test_the_real_lists_of_ucf101_have_101_classes_and_no_shared_group(split, sizes):
    found = examples_of(split=split, list_folder=str(FORMATS / "ucfTrainTestlist"))
    assert (len(found.splits["train"]), len(found.splits["test"])) == sizes
    assert len(found.classes) == 101 and found.classes == sorted(found.classes, key=str.lower)
    train, test = ({example.group for example in found.splits[name]} for name in ("train", "test"))
    assert not train & test and len(train | test) == 101 * 25
    first = {1: "g01", 2: "g08", 3: "g15"}[split]
    assert found.splits["test"][0].file == Path(f"videos/ApplyEyeMakeup/v_ApplyEyeMakeup_{first}_c01.avi")


@needs_real_lists
def test_the_authors_real_lists_hold_the_videos_of_split_1_with_the_same_classes():
    lists = {f"{split}_list": str(FORMATS / f"lrcn/ucf101_split1_{split}Videos.txt") for split in ("train", "test")}
    theirs = examples_of(list_folder=str(FORMATS / "ucfTrainTestlist"), **lists)
    official = examples_of(list_folder=str(FORMATS / "ucfTrainTestlist"))
    for split in ("train", "test"):
        ours = {example.id: example.label for example in official.splits[split]}
        assert {example.id: example.label for example in theirs.splits[split]} == ours


@needs_real_lists
def test_the_real_hmdb51_and_kinetics_files_are_read(tmp_path):
    options = {"video_column": "video_id", "split_column": "split1", "path": str(FORMATS / "hmdb51/hmdb51.csv")}
    found = read_examples(ActivityDataOptions(reader="csv", **options))
    assert (len(found.splits["train"]), len(found.splits["test"]), found.outside_splits) == (3570, 1530, 1666)
    assert len(found.classes) == 51
    assert len(read_classes(FORMATS / "hmdb51/label_map.txt")) == 51
    assert len(read_classes(FORMATS / "kinetics/label_map_k400.txt")) == 400
