"""Answers in a new process against those from after training."""

from pathlib import Path

import pytest

from lrcn_hub.demo import reload


def test_another_answer_is_refused_with_its_file_and_both_answers(monkeypatch):
    monkeypatch.setattr(
        reload, "answers_in_a_new_process", lambda tag, model, files: [{"label": file.stem} for file in files]
    )
    said = {Path("a.mov"): "a", Path("b.mov"): "b"}
    reload.check_equal_in_a_new_process("video-classification", "label", Path("model"), said)
    with pytest.raises(ValueError, match=r"b\.mov: after training the model said 'c', .* 'b'; they must be equal"):
        reload.check_equal_in_a_new_process(
            "video-classification", "label", Path("model"), {**said, Path("b.mov"): "c"}
        )
