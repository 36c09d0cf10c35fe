"""What a user may give the narration task by mistake: one error that says what to do, exit code 1, nothing touched."""

import hashlib
import json
import re

import av
import numpy as np
import pytest

from lrcn_cli import main

LABELS = {"tool": ["none", "knife"], "verb": ["cut", "wash"]}
NETWORK = ["--hidden_size", "8", "--embedding_size", "8", "--min_count", "1"]
RUN = ["--max_steps", "2", "--per_device_train_batch_size", "2", "--use_cpu", "--disable_tqdm"]


def write_video(path):
    noise = np.random.RandomState(0).randint(0, 256, (48, 64, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10, width=64, height=48, pix_fmt="yuv420p")
        for number in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(noise, number, 1), format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with two narrated videos of two seconds, told of in two segments each, and their nodes."""
    (tmp_path / "clips").mkdir()
    lines = []
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / "clips" / name)
        lines += [
            {"file_name": name, "start": start, "end": start + 1, "text": "a carrot is cut", "id": f"{name}{start}"}
            for start in (0, 1)
        ]
    write_lines(tmp_path / "clips/metadata.jsonl", lines)
    rows = [{"id": line["id"], "nodes": {"tool": "knife", "verb": [0.75, 0.25]}} for line in lines]
    write_lines(tmp_path / "nodes.jsonl", [{"nodes": LABELS}, *rows])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_lines(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def edited(name, number, change):
    """A change to one line of a file."""

    def edit(place):
        lines = [json.loads(line) for line in (place / name).read_text().splitlines()]
        change(lines[number])
        write_lines(place / name, lines)

    return edit


def row(**values):
    return edited("clips/metadata.jsonl", 2, lambda line: line.update(values))


def nodes(given):
    return edited("nodes.jsonl", 3, lambda line: line.update(nodes=given))


def turned(place):
    """Another file, whose nodes are in another order."""
    lines = (place / "nodes.jsonl").read_text().splitlines()
    header = {"nodes": dict(reversed(LABELS.items()))}
    write_lines(place / "more.jsonl", [header, json.loads(lines[4])])
    (place / "nodes.jsonl").write_text("\n".join(lines[:4]))


def train(*words):
    data = ["--reader", "folder", "--path", "clips", "--node_file", "nodes.jsonl"]
    return main(["train", "--task", "narration", *data, *NETWORK, *RUN, "--output_dir", "out", *words])


@pytest.fixture
def refused(place, capsys):
    """Run a training that must fail: gives what was said, after making sure that nothing was made or changed."""

    def everything():
        return {path: hashlib.sha256(path.read_bytes()).digest() for path in place.rglob("*") if path.is_file()}

    def refused(*words):
        before = everything()
        capsys.readouterr()
        assert train(*words) == 1
        assert everything() == before
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return said[re.search(r"^lrcn \w+: error: ", said, re.MULTILINE).start() :]

    return refused


DATA = {
    "probabilities that do not sum to one": (
        nodes({"tool": "knife", "verb": [0.5, 0.4]}),
        r"1 of 4 rows .*nodes of b\.mp40: the probabilities of node 'verb' sum to 0\.9, not to one.*--on_bad_sample",
    ),
    "a probability that is no number": (nodes({"tool": "knife", "verb": ["x", 1]}), "nodes of b.mp40: node 'verb' is"),
    "a node that is missing": (
        nodes({"tool": "knife"}),
        r"nodes of b\.mp40: node 'verb' is missing; the nodes are tool,",
    ),
    "nodes in another order": (
        nodes(["cut", "knife"]),
        r"no label 'cut', but node 'verb' has it; the order of the nodes",
    ),
    "a row without nodes": (
        edited("nodes.jsonl", 3, lambda line: line.update(id="x")),
        r"line 3: nodes\.jsonl does not tell its",
    ),
    "no labels": (
        lambda place: (place / "nodes.jsonl").write_text("{}"),
        r"nodes\.jsonl, line 1: the first line must te",
    ),
    "no node file": (lambda place: (place / "nodes.jsonl").unlink(), r"nodes\.jsonl"),
    "a segment beyond the end": (
        row(start=7, end=8),
        r"line 3: clips/b\.mp4: the segment from 7 s to 8 s is beyond the e",
    ),
    "an empty segment": (row(start=1, end=1), r"line 3: b\.mp4: the segment from 1 s to 1 s is empty"),
    "a segment backwards": (row(start=1, end=0.5), r"line 3: b\.mp4: the segment from 1 s to 0\.5 s is backwards"),
    "overlapping segments": (
        row(start=0, end=1.5),
        r"1 segments overlap.*line 3 \(0 s to 1\.5 s\) and .*line 4 \(1 s to 2 s\).*--overlaps keep",
    ),
    "a sentence without video": (row(file_name="c.mp4"), r"line 3: clips/c\.mp4: there is no such file"),
    "a video without sentences": (row(text=""), r"line 3: it has no sentence"),
    "a broken video": (lambda place: (place / "clips/a.mp4").write_bytes(b"film"), r"clips/a\.mp4: it is not a video"),
}


@pytest.mark.parametrize("case", DATA)
def test_bad_data_is_refused_by_name_and_nothing_is_written(case, place, refused):
    change, complaint = DATA[case]
    change(place)
    assert re.search(complaint, refused(), re.DOTALL)


def test_a_second_node_file_in_another_order_is_refused(place, refused):
    turned(place)
    assert re.search(
        r"more\.jsonl: its nodes are verb .*the same order", refused("--node_file", "nodes.jsonl,more.jsonl")
    )


def test_with_bad_rows_skipped_it_trains_and_the_card_counts_them(place):
    nodes({"tool": "knife", "verb": [0.5, 0.4]})(place)
    assert train("--on_bad_sample", "skip") == 0
    card = (place / "out/README.md").read_text()
    assert "| train | 3 | 3 |" in card and "(bad samples): 1\n" in card
