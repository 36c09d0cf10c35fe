"""``python -m lrcn_hub.demo.reload PIPELINE MODEL FILE...``: answers as anybody would get them, in a new process.

Writes the best answer about each file to standard output, as a JSON list. The model card's example of use runs there,
too, and the card then shows what it printed.
"""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lrcn_hub.publishing.cards import example_of, write_card_or_warn


def answers_in_a_new_process(pipeline_tag: str, model: Path, files: Sequence[Path]) -> list[dict[str, Any]]:
    """Load the exported `model` in a new process, by transformers' pipeline, and ask it about files there.

    Raises ChildProcessError, with what the process said, where it fails.
    """
    command = [sys.executable, "-m", "lrcn_hub.demo.reload", pipeline_tag, str(model), *map(str, files)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise ChildProcessError(f"the exported model could not be used in a new process:\n{process.stderr.strip()}")
    answers: list[dict[str, Any]] = json.loads(process.stdout)
    return answers


def check_equal_in_a_new_process(pipeline_tag: str, key: str, model: Path, said: Mapping[Path, str]) -> None:
    """Raise ValueError unless the exported `model` says in a new process what it `said` of files after training.

    `key` is that of the answers in what the pipeline gives.
    """
    answers = answers_in_a_new_process(pipeline_tag, model, list(said))
    for (file, before), answer in zip(said.items(), answers, strict=True):
        if answer[key] != before:
            raise ValueError(
                f"{file}: after training the model said {before!r}, loaded in a new process {answer[key]!r}; they must"
                " be equal"
            )


def main(pipeline_tag: str, model: str, *files: str) -> None:
    """Answer about `files` with the model in a folder."""
    from transformers import pipeline

    import lrcn_hub  # noqa: F401 - registers models and pipelines

    answerer = pipeline(pipeline_tag, model=model)
    answers = [answerer(file)[0] for file in files]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(example_of(Path(model)), {})
    write_card_or_warn(Path(model), printed=printed.getvalue())
    sys.stdout.write(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
