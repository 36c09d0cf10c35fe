"""What the systems to be judged said: files that `lrcn evaluate` wrote, and people's captions as one system more."""

from __future__ import annotations

import random
from pathlib import Path

from lrcn_hub.data.annotation_files import read_rows
from lrcn_hub.judging.pictures import Pictures


def read_answers(file: str | Path) -> dict[str, str]:
    """Read a ``predictions.jsonl``: the caption that each picture got, by its id.

    Raises ValueError that names file and line for a line without id, for a prediction that is no text, and for an id
    that comes twice; OSError.
    """
    answers: dict[str, str] = {}
    for place, row in read_rows(Path(file)):
        if not isinstance(row.get("id"), str | int) or not isinstance(row.get("prediction"), str):
            raise ValueError(f"{place}: not an id with a caption as its prediction: {str(row)[:80]}")
        if str(row["id"]) in answers:
            raise ValueError(f"{place}: a second answer to {row['id']}")
        answers[str(row["id"])] = row["prediction"]
    return answers


def human_answers(pictures: Pictures, seed: int) -> dict[str, str]:
    """Choose by lot one of the captions that people gave each picture, where there is one.

    Raises ValueError where the pictures come without captions.
    """
    if not any(pictures.captions):
        raise ValueError(f"{pictures.source} has no captions by people: leave --human out")
    captions = zip(pictures.rows, pictures.captions, strict=True)
    return {name: random.Random(f"{seed} {name}").choice(said) for name, said in captions if said}
