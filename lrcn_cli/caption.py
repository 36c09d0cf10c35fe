"""``lrcn caption``: photos in, sentences out, through transformers' own pipeline."""

import json
import sys
from typing import Any

from lrcn_cli.command import command_parser

DETAILS = """\
Prints a line `file<TAB>caption` for each caption. A photo that cannot be read is named on standard error; the others
are described all the same, and the exit code is 1."""

EXAMPLES = """
lrcn caption holiday.jpg --model my-captioner
lrcn caption *.jpg --model my-captioner --num_beams 5 --json
lrcn caption holiday.jpg --model my-captioner --num_beams 3 --num_return_sequences 3
lrcn caption holiday.jpg --model my-captioner --prompt "a man"
"""


def main(argv: list[str]) -> int:
    """Describe photos; returns 1 if one of them could not be read."""
    parser = command_parser("caption", details=DETAILS, examples=EXAMPLES)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="image files, or their URLs")
    parser.add_argument(
        "--model", required=True, metavar="DIR", help="folder of a trained model, or its name on the Hub"
    )
    parser.add_argument("--num_beams", type=int, metavar="N", help="beam search of this width; default: the model's")
    parser.add_argument("--num_return_sequences", type=int, default=1, metavar="N", help="captions for each photo")
    parser.add_argument("--prompt", metavar="TEXT", help="how captions begin")
    parser.add_argument("--json", action="store_true", help="print a list of {file, captions} or {file, error}")
    arguments = parser.parse_args(argv)

    captioner = Captioner(arguments.model, arguments.num_beams, arguments.num_return_sequences, arguments.prompt)
    answers = []
    for photo in arguments.photos:
        answer = captioner.answer(photo)
        answers.append(answer)
        if "error" in answer:
            print(f"lrcn caption: {answer['error']}", file=sys.stderr)
        elif not arguments.json:
            for caption in answer["captions"]:
                print(f"{photo}\t{caption}", flush=True)
    if arguments.json:
        print(json.dumps(answers, indent=2))
    return int(any("error" in answer for answer in answers))


class Captioner:
    """A loaded model and how it is to answer."""

    def __init__(self, model: str, num_beams: int | None, num_return_sequences: int, prompt: str | None) -> None:
        from transformers import AutoModelForImageTextToText, AutoProcessor, pipeline
        from transformers.utils import logging

        from lrcn_hub.plugins import task_names

        task_names()  # a plugin's own models are known to transformers once it is loaded
        logging.disable_progress_bar()
        # Loaded here, since the pipeline wraps an error in the tracebacks of all that it tried.
        network, processor = AutoModelForImageTextToText.from_pretrained(model), AutoProcessor.from_pretrained(model)
        parts = {name: getattr(processor, name) for name in ("tokenizer", "image_processor")}
        self.pipeline = pipeline("image-to-text", model=network, processor=processor, **parts)
        self.options: dict[str, Any] = {"num_return_sequences": num_return_sequences}
        if num_beams is not None:
            self.options["num_beams"] = num_beams
        if prompt is not None:
            self.options["text"] = prompt

    def answer(self, photo: str) -> dict[str, Any]:
        """Describe one photo: ``{"file", "captions"}``, or ``{"file", "error"}`` where it cannot be read."""
        from lrcn_hub.models.images_lrcn import UnreadableImageError

        try:
            answers = self.pipeline(photo, **self.options)
        except UnreadableImageError as error:
            return {"file": photo, "error": str(error)}
        return {"file": photo, "captions": [answer["generated_text"] for answer in answers]}
