import os
import shutil
import subprocess
from importlib.util import find_spec

import numpy as np
import pytest

from lrcn_hub.scoring import coco_tools, load, ptb_tokenize, score_each_caption
from lrcn_hub.scoring.coco_tools import ToolMissingError, java_ptb_tokenize, meteor_scores, spice_scores, why_missing

NEEDS_JAVA = pytest.mark.skipif(
    why_missing("meteor") is not None, reason=f"the extra coco cannot run: {why_missing('meteor')}"
)
REFERENCES = [[["a", "dog", "runs"], ["the", "dog"]], [["two", "cats", "asleep"]]]


@NEEDS_JAVA
def test_meteor_is_that_of_the_goldens(golden, golden_tokens):
    corpus, each = meteor_scores(*golden_tokens)
    assert corpus == pytest.approx(golden["corpus"]["METEOR"], rel=0, abs=1e-9)
    np.testing.assert_allclose(each, [item["scores"]["METEOR"] for item in golden["items"]], rtol=0, atol=1e-9)


@NEEDS_JAVA
def test_the_reference_code_gives_what_ours_gives(golden):
    texts = [item["candidate"] for item in golden["items"]], [item["references"] for item in golden["items"]]
    corpus, each = coco_tools.coco_caption_scores(*texts)
    ours = score_each_caption(*texts, java=["meteor"])
    assert corpus.keys() == ours.corpus.keys() - {"cider"}
    for name, score in corpus.items():
        assert ours.corpus[name] == pytest.approx(score, rel=0, abs=1e-9)
        np.testing.assert_allclose(ours.each[name], each[name], rtol=0, atol=1e-9)


@NEEDS_JAVA
def test_meteor_does_not_mind_a_language_that_writes_commas_in_numbers(monkeypatch):
    expected = meteor_scores([["a", "dog"], ["two", "cats"]], REFERENCES)
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=de -Duser.country=DE")
    assert meteor_scores([["a", "dog"], ["two", "cats"]], REFERENCES) == expected
    assert os.environ["JAVA_TOOL_OPTIONS"] == "-Duser.language=de -Duser.country=DE"


@NEEDS_JAVA
def test_neither_line_separators_nor_meteors_own_shift_the_scores():
    expected = meteor_scores([["a", "dog"], ["two", "cats"]], REFERENCES)
    references = [[["a", "dog\u2028runs"], ["the", "dog"]], [["two", "cats\rasleep"]]]
    assert meteor_scores([["a\n", "dog|||"], ["two", "cats"]], references) == expected


@NEEDS_JAVA
def test_a_caption_without_words_scores_zero_by_meteor():
    _, each = meteor_scores([[], ["two", "cats", "asleep"]], REFERENCES)
    assert each[0] == 0 and each[1] > 0.9


@NEEDS_JAVA
@pytest.mark.parametrize("space", ["\r", "\x0b", "\x0c", "\u2028", "\u2029", "\n"])
def test_a_line_separator_does_not_shift_the_java_tokenizers_answers(space):
    captions = [f"A dog{space}runs.", "", "Two cats!"]
    assert java_ptb_tokenize(captions) == [["a", "dog", "runs"], [], ["two", "cats"]]
    assert [ptb_tokenize(caption) for caption in captions] == java_ptb_tokenize(captions)


@NEEDS_JAVA
def test_a_java_that_cannot_start_is_reported_in_its_own_words(monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:NoSuchOption")
    with pytest.raises(RuntimeError, match=r"(?s)METEOR's Java program failed: .*NoSuchOption"):
        meteor_scores([["a"]], [[["a"]]])
    with pytest.raises(RuntimeError, match=r"(?s)for 1 captions: .*NoSuchOption"):
        java_ptb_tokenize(["a dog"])


@pytest.mark.skipif(find_spec("pycocoevalcap") is not None, reason="the extra coco is installed")
def test_without_the_extra_the_way_to_it_is_named():
    assert why_missing("meteor") == "pycocoevalcap is not installed: pip install 'lrcn-hub[coco]'"
    for metric in (meteor_scores, spice_scores):
        with pytest.raises(ToolMissingError, match=r"cannot be run: .* pip install 'lrcn-hub\[coco\]'"):
            metric([["a"]], [[["a"]]])
    with pytest.raises(ToolMissingError, match=r"meteor cannot be run"):
        load("meteor")


def test_without_java_it_is_java_that_is_missing(monkeypatch):
    monkeypatch.setattr(coco_tools, "find_spec", lambda name: "found")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert why_missing("meteor") == "Java is not installed or not on the PATH"


def test_without_its_models_spice_is_not_run_and_nothing_is_downloaded(monkeypatch, tmp_path):
    monkeypatch.setattr(coco_tools, "find_spec", lambda name: "found")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/java")
    monkeypatch.setattr(coco_tools, "_package_folder", lambda: tmp_path)
    assert why_missing("meteor") is None
    with pytest.raises(ToolMissingError, match=r"spice cannot be run: CoreNLP 3\.6\.0 .*get_stanford_models"):
        spice_scores([["a"]], [[["a"]]])


def test_java_programs_are_started_as_in_english_and_the_users_options_stay(monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xss4M")
    monkeypatch.delenv("JDK_JAVA_OPTIONS", raising=False)
    with coco_tools._java_environment():
        seen = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    assert "JAVA_TOOL_OPTIONS=-Xss4M -Duser.language=en -Duser.country=US\n" in seen
    assert "JDK_JAVA_OPTIONS=--add-opens=java.base/java.lang=ALL-UNNAMED" in seen
    assert os.environ["JAVA_TOOL_OPTIONS"] == "-Xss4M" and "JDK_JAVA_OPTIONS" not in os.environ


def test_what_cannot_be_scored_is_refused_before_anything_is_started():
    with pytest.raises(ValueError, match="corpus is empty"):
        meteor_scores([], [])
    with pytest.raises(ValueError, match="image 0 has no references"):
        spice_scores([["a"]], [[]])
