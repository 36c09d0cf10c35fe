"""Answers are read from what evaluations write; people's captions are drawn by lot."""

import json

import pytest

from lrcn_hub.judging import Pictures, human_answers, read_answers


def test_answers_are_read_by_id(tmp_path):
    file = tmp_path / "predictions.jsonl"
    file.write_text('{"id": "1", "prediction": "a\u2028b"}\n{"id": 2, "prediction": ""}\n', encoding="utf-8")
    assert read_answers(file) == {"1": "a\u2028b", "2": ""}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "line 2: not JSON"),
        ({"id": "2"}, "line 2: not an id with a caption as its prediction"),
        ({"id": "2", "prediction": {"label": "run"}}, "line 2: not an id with a caption"),
        ({"prediction": "a"}, "line 2: not an id with a caption"),
        ({"id": "1", "prediction": "a"}, "line 2: a second answer to 1"),
    ],
)
def test_what_is_no_caption_is_refused_with_its_line(line, fault, tmp_path):
    text = line if isinstance(line, str) else json.dumps(line)
    (tmp_path / "p.jsonl").write_text(json.dumps({"id": "1", "prediction": "x"}) + "\n" + text)
    with pytest.raises(ValueError, match=r"p\.jsonl, " + fault):
        read_answers(tmp_path / "p.jsonl")


def test_peoples_captions_are_drawn_by_seed_and_pictures_without_one_are_left_out():
    said = [[f"{number} by {person}" for person in range(5)] for number in range(40)] + [[]]
    pictures = Pictures("here", {str(number): number for number in range(41)}, [None] * 41, said)
    drawn = human_answers(pictures, 3)
    assert drawn.keys() == {str(number) for number in range(40)}
    assert all(drawn[str(number)] in said[number] for number in range(40))
    assert len({caption.split()[-1] for caption in drawn.values()}) == 5
    assert human_answers(pictures, 3) == drawn != human_answers(pictures, 4)


def test_pictures_without_captions_have_no_human_answers():
    with pytest.raises(ValueError, match="here has no captions by people"):
        human_answers(Pictures("here", {"1": 0}, [None], [()]), 0)
