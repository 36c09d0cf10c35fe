"""``python -m lrcn_hub.demo.reload MODEL PICTURE...``: captions as anybody would get them, in a process of its own.

Writes them to standard output as a JSON list. The model card's example of use runs there, too, and the card then shows
what it printed.
"""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lrcn_hub.publishing.cards import example_of, write_card_or_warn


def caption_in_a_new_process(model: Path, pictures: Sequence[Path]) -> list[str]:
    """Load the exported `model` in a new process and caption picture files there.

    Raises ChildProcessError, with what the process said, where it fails.
    """
    command = [sys.executable, "-m", "lrcn_hub.demo.reload", str(model), *map(str, pictures)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise ChildProcessError(f"the exported model could not be used in a new process:\n{process.stderr.strip()}")
    captions: list[str] = json.loads(process.stdout)
    return captions


def main(model: str, *pictures: str) -> None:
    """Caption `pictures` with the model in a folder."""
    from transformers import pipeline

    import lrcn_hub  # noqa: F401 - registers the captioner and its pipeline

    captioner = pipeline("image-to-text", model=model)
    captions = [captioner(picture)[0]["generated_text"] for picture in pictures]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(example_of(Path(model)), {})
    write_card_or_warn(Path(model), printed=printed.getvalue())
    sys.stdout.write(json.dumps(captions))


if __name__ == "__main__":
    main(*sys.argv[1:])
