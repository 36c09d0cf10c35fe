"""What a user may give by mistake: one error that says what to do, exit code 1, and nothing on the disk is touched."""

import hashlib
import json
import re
import resource
import shutil
import socket
import struct
import zlib

import huggingface_hub.constants
import pytest
from PIL import Image

from lrcn_cli import main

NETWORK = ["--backbone", "test_resnet", "--image_size", "32", "--hidden_size", "8", "--embedding_size", "8"]
RUN = ["--max_steps", "2", "--per_device_train_batch_size", "2", "--use_cpu", "--disable_tqdm"]


def bomb():
    """A PNG of some hundred bytes that would unpack to ten gigabytes."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(999))), (b"IEND", b"")]
    packed = [struct.pack(">I", len(d)) + name + d + struct.pack(">I", zlib.crc32(name + d)) for name, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with four captioned photographs in COCO's form."""
    (tmp_path / "photos").mkdir()
    names = [f"{number}.jpg" for number in range(4)]
    for number, name in enumerate(names):
        Image.effect_noise((48, 40), 20 + number).convert("RGB").save(tmp_path / "photos" / name)
    annotations = [{"id": i, "image_id": i, "caption": "a dog sits"} for i in range(4)]
    images = [{"id": i, "file_name": name} for i, name in enumerate(names)]
    (tmp_path / "captions.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*words, output="out"):
    data = ["--reader", "coco", "--train_file", "captions.json", "--image_folder", "photos", "--min_count", "1"]
    return main(["train", "--task", "captioning", *data, *NETWORK, *RUN, "--output_dir", output, *words])


def everything(folder):
    """Every file below a folder, by what is in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def refused(place, capsys):
    """Run something that must fail: gives what was said, after making sure that nothing was made or changed."""

    def refused(run, *words, **options):
        before = everything(place)
        capsys.readouterr()
        assert run(*words, **options) == 1
        assert everything(place) == before
        lines = [line for line in capsys.readouterr().err.splitlines() if not re.search(r"\d+%\|", line)]
        first = next(i for i, line in enumerate(lines) if re.match(r"lrcn \w+: error: ", line))
        assert "Traceback" not in "".join(lines)
        return "\n".join(lines[first:])

    return refused


def edited(change):
    """A change to the annotation file, as its content is."""

    def edit(place):
        file = place / "captions.json"
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    return edit


def picture(content):
    return lambda place: (place / "photos/2.jpg").write_bytes(content(place))


DATA = {
    "no annotation file": (lambda place: (place / "captions.json").unlink(), r"captions\.json"),
    "an empty dataset": (edited(lambda c: c.update(images=[], annotations=[])), r"no captioned images in .*captions"),
    "not JSON": (lambda place: (place / "captions.json").write_text('{"images": ['), r"captions\.json: not JSON"),
    "not text": (lambda place: (place / "captions.json").write_bytes(b"\xff\xd8\xff"), r"captions\.json: not text"),
    "a caption without its image": (
        edited(lambda c: c["annotations"].append({"id": 9, "image_id": 77, "caption": "a cat"})),
        r"captions\.json: 1 captions without an image, the first for image id 77",
    ),
    "images without captions": (
        edited(lambda c: c.update(annotations=c["annotations"][:3])),
        r"1 of 4 images .*\n  3: it has no caption\n.*--on_bad_sample skip",
    ),
    "no pictures": (lambda place: shutil.rmtree(place / "photos"), r"4 of 4 .*photos/0\.jpg: there is no such file"),
    "a truncated picture": (picture(lambda place: (place / "photos/2.jpg").read_bytes()[:400]), r"photos/2\.jpg: "),
    "an empty picture": (picture(lambda place: b""), r"photos/2\.jpg: the file is empty"),
    "no picture at all": (picture(lambda place: b"a dog sits"), r"photos/2\.jpg: "),
    "a huge picture": (picture(lambda place: bomb()), r"photos/2\.jpg: .*3600000000 pixels"),
}


@pytest.mark.parametrize("case", DATA)
def test_bad_data_is_refused_by_name_and_nothing_is_written(case, place, refused):
    spoil, complaint = DATA[case]
    spoil(place)
    said = refused(train)
    assert re.search(complaint, said, re.DOTALL)
    assert "photos/2.jpg" not in said or said.endswith("leave them out with --on_bad_sample skip")


def test_bad_pictures_are_left_out_and_counted_where_that_is_asked_for(place, capsys, caplog):
    (place / "photos/1.jpg").write_bytes(bomb())
    (place / "photos/2.jpg").write_bytes(b"")
    with caplog.at_level("INFO", logger="lrcn_hub"):
        assert train("--on_bad_sample", "skip") == 0
    assert "2 of 4 images cannot be used" in caplog.text and "task captioning: 2 train" in caplog.text


def test_a_photo_that_cannot_be_read_does_not_stop_the_others(place, capsys):
    assert train() == 0
    (place / "photos/1.jpg").write_bytes(bomb())
    (place / "photos/2.jpg").write_bytes((place / "photos/2.jpg").read_bytes()[:400])
    photos = ["photos/0.jpg", "photos/1.jpg", "photos/2.jpg", "photos/9.jpg", "photos/3.jpg"]
    capsys.readouterr()
    assert main(["caption", *photos, "--model", "out"]) == 1
    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == ["photos/0.jpg", "photos/3.jpg"]
    assert len(err.splitlines()) == 3 and all(name in err for name in photos[1:4])


@pytest.mark.parametrize(
    ("recipe", "complaint"),
    [
        ("task: captioning\nmodel: {hiden_size: 8}", "section model has no option 'hiden_size' .*'hidden_size'"),
        ("task: captioning\ndata: {hidden_size: 8}", "no option 'hidden_size' .it belongs to section model"),
        ("task: captioning\nmodle: {hidden_size: 8}", "no section 'modle' .did you mean 'model'"),
        ("task: captoining", "no task 'captoining' .did you mean 'captioning'"),
        ("task: captioning\nmodel: {hidden_size: many}", r"model\.hidden_size: 'many' .str. is not int"),
        ("task: captioning\nmodel: {hidden_size: 8", "not YAML"),
        ("task: captioning\nmodel: {backbone: resnot50}", "unknown backbone 'resnot50' .did you mean 'resnet50'"),
        ("task: captioning\nmodel: {backbone_options: {chanels: []}}", "did you mean 'channels'"),
        ("task: captioning\nmodel: {preprocessing: {sise: 3}}", "did you mean 'size'"),
    ],
)
def test_a_mistake_in_a_recipe_is_named_with_what_was_meant(recipe, complaint, place, refused):
    (place / "mine.yaml").write_text(recipe)
    words = ["--reader", "coco", "--train_file", "captions.json", "--image_folder", "photos"]
    said = refused(lambda: main(["train", "--recipe", "mine.yaml", *words, "--min_count", "1", *RUN]))
    assert "mine.yaml" in said or "backbone" in said or "preprocessing" in said or "no task" in said
    assert re.search(complaint, said)


def test_an_unknown_recipe_is_refused_with_the_nearest(refused):
    said = refused(lambda: main(["train", "--recipe", "coco_cafenet_frozen"]))
    assert "did you mean 'coco_caffenet_frozen'" in said


def test_weights_with_another_vocabulary_are_refused(place, refused):
    """As a first stage's, a run's own checkpoint after its captions have changed, and beside another tokenizer."""
    assert train("--save_steps", "1", "--load_best_model_at_end", "false") == 0
    edited(lambda c: c["annotations"][0].update(caption="a zebra"))(place)
    said = refused(train, "--init_from", "out", output="second")
    assert re.search(r"init_from out: its vocabulary has 5 words, the model's 6 .*--init_skip", said)

    (place / "out/metrics.json").unlink()
    said = refused(train, "--save_steps", "1", "--load_best_model_at_end", "false")
    assert "out/checkpoint-2: word 5 of its vocabulary is None, the model's is 'zebra'" in said
    assert "begin anew in another --output_dir" in said

    tokenizer = json.loads((place / "out/tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["zebra"] = 5
    (place / "out/tokenizer.json").write_text(json.dumps(tokenizer))
    said = refused(lambda: main(["caption", "photos/0.jpg", "--model", "out"]))
    assert "the tokenizer has 6 words, but the model was trained with 5" in said


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--vocabulary", "words.txt"], r"words\.txt: words listed more than once: 'dog'"),
        (["--vocabulary", "nowhere.txt"], r"nowhere\.txt"),
        (["--min_count", "99"], "no word occurs 99 times .* set a lower min_count"),
        (["--init_from", "nowhere"], "init_from nowhere: no model.safetensors there"),
        (["--init_from", "junk.safetensors"], r"init_from junk\.safetensors: no sound safetensors file"),
        (["--backbone_weights", "junk.safetensors"], r"junk\.safetensors: "),
    ],
)
def test_words_and_weights_that_cannot_be_used_are_refused_by_name(words, complaint, place, refused):
    (place / "words.txt").write_text("a\ndog\ndog\n")
    (place / "junk.safetensors").write_bytes(b"these are no tensors")
    assert re.search(complaint, refused(train, *words))


def test_an_output_folder_with_other_things_in_it_is_left_alone(place, refused):
    (place / "letters").mkdir()
    (place / "letters/to_aunt.txt").write_text("Dear aunt,")
    said = refused(train, output="letters")
    assert "letters is not empty and holds no run (it has to_aunt.txt)" in said and "--overwrite_output_dir" in said
    assert "output_dir captions.json is a file" in refused(train, output="captions.json")


def test_another_run_is_not_lost_to_a_mistake(place, refused):
    assert train() == 0
    said = refused(train, "--model.hidden_size", "9")
    assert "model.hidden_size: 8 against 9" in said and "--overwrite_output_dir" in said
    # asked for, but there is nothing to train on: only a run that can begin takes the place of another
    refused(train, "--model.hidden_size", "9", "--overwrite_output_dir", "--train_file", "nowhere.json")
    refused(train, "--model.hidden_size", "9", "--overwrite_output_dir", "--init_from", "nowhere")
    assert train("--model.hidden_size", "9", "--overwrite_output_dir") == 0


@pytest.fixture
def no_network(place, monkeypatch):
    """No connection leaves this machine, and nothing was fetched before."""

    def unreachable(*arguments):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(place / "cache"))


def test_without_a_network_published_weights_are_the_one_thing_missing(no_network, place, refused, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # otherwise it is tried for half a minute
    said = refused(train, "--backbone_pretrained")
    assert "the published weights of test_resnet are not in the cache and cannot be fetched" in said
    assert "backbone_weights" in said and "backbone_pretrained: false" in said
    assert re.search("tokenizer nobody/words: ", refused(train, "--tokenizer", "nobody/words"))
    assert re.search("dataset nobody/pictures ", refused(train, "--reader", "datasets", "--path", "nobody/pictures"))
    assert train() == 0
    assert main(["caption", "photos/0.jpg", "--model", "out"]) == 0


def test_a_disk_that_fills_up_is_named_and_the_same_command_goes_on(place, capsys):
    assert train(output="whole") == 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # no file can grow beyond: less than the weights
    try:
        assert train() == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"lrcn train: error: .*no room for out/checkpoint-2: .* run the same command again", said)
    assert sorted(everything(place / "out")) == ["recipe.yaml", "versions.json"]
    assert train() == 0
    assert everything(place / "out")["model.safetensors"] == everything(place / "whole")["model.safetensors"]
