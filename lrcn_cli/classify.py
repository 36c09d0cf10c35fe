"""``lrcn classify``: videos in, classes out, by the authors' evaluation; long ones as a line over time."""

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

from lrcn_cli.command import command_parser

DETAILS = """\
Prints a line `file<TAB>class<TAB>probability` for each of the likeliest classes. All frames are looked at, in clips as
`lrcn evaluate` takes them (their centre); a video may be of any length. One that cannot be read is named on standard
error; the others are answered all the same, and the exit code is 1."""

EXAMPLES = """
lrcn classify holiday.mp4 --model my-recogniser
lrcn classify *.avi --model my-recogniser --top-k 5 --json
lrcn classify match.mp4 --model my-recogniser --timeline match.html
lrcn classify holiday.mp4 --model my-recogniser --early-exit 0.9
lrcn classify holiday.mp4 --model my-rgb-recogniser --flow-model my-flow-recogniser --weights 1/3 2/3
"""


def main(argv: list[str]) -> int:
    """Say what is done in videos; returns 1 if one of them could not be read."""
    arguments = _arguments(argv)
    classifier = Classifier(arguments)
    answers = []
    for video in arguments.videos:
        answer = classifier.answer(video)
        answers.append(answer)
        if "error" in answer:
            print(f"lrcn classify: {answer['error']}", file=sys.stderr)
        elif not arguments.json:
            _print(answer)
    if arguments.json:
        print(json.dumps(answers, indent=2))
    return int(any("error" in answer for answer in answers))


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = command_parser("classify", details=DETAILS, examples=EXAMPLES)
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="video files")
    folder = "folder of a trained model, or its name on the Hub"
    parser.add_argument("--model", required=True, metavar="DIR", help=folder)
    parser.add_argument("--flow-model", metavar="DIR", help="a second model that looks at optical flow, to be fused")
    parser.add_argument(
        "--weights", nargs=2, type=Fraction, metavar="W", help="of model and flow model; default: 1/2 1/2"
    )
    parser.add_argument("--top-k", type=int, default=1, metavar="N", help="classes for each video; default: 1")
    parser.add_argument("--json", action="store_true", help="print a list of objects with answers, frames and seconds")
    parser.add_argument(
        "--timeline", type=Path, metavar="OUT", help="draw probabilities over time: a .png, or a .html page"
    )
    parser.add_argument(
        "--early-exit", type=float, metavar="P", help="stop decoding as soon as a class has this probability"
    )
    parser.add_argument(
        "--dtype", choices=["float32", "bfloat16", "float16"], default="float32", help="default: float32"
    )
    arguments = parser.parse_args(argv)
    if arguments.top_k < 1:
        parser.error(f"--top-k is {arguments.top_k}; it must be at least 1")
    if arguments.early_exit is not None and not 0 < arguments.early_exit <= 1:
        parser.error(f"--early-exit is {arguments.early_exit:g}; it is a probability, above 0 and at most 1")
    if arguments.weights and not arguments.flow_model:
        parser.error("--weights are those of two models: give --flow-model, too")
    if arguments.weights and (min(arguments.weights) < 0 or not sum(arguments.weights)):
        parser.error("--weights must not be below 0, nor both 0")
    if arguments.timeline and arguments.timeline.suffix not in (".png", ".html"):
        parser.error(f"--timeline {arguments.timeline}: its name must end in .png or .html")
    if arguments.timeline and len(arguments.videos) > 1:
        parser.error("--timeline shows one video: give one")
    return arguments


def _print(answer: dict[str, Any]) -> None:
    for one in answer["answers"]:
        print(f"{answer['file']}\t{one['label']}\t{one['score']:.4f}", flush=True)
    if answer["frames_seen"] < answer["frames"]:
        seen = f"sure after {answer['frames_seen']:,} of {answer['frames']:,} frames"
        print(f"lrcn classify: {answer['file']}: {seen} ({answer['seconds']:.1f} s)", file=sys.stderr)


class Classifier:
    """One loaded model, or two, and how they are to answer."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from transformers.utils import logging

        from lrcn_hub.plugins import task_names

        task_names()  # a plugin's own models are known to transformers once it is loaded
        logging.disable_progress_bar()
        self.arguments = arguments
        self.stream = _load(arguments.model, arguments.dtype)
        self.flow = _load(arguments.flow_model, arguments.dtype) if arguments.flow_model else None
        labels = self.stream[0].config.id2label
        self.names = [labels[number] for number in range(len(labels))]
        if arguments.early_exit is not None:
            for _, _, options in filter(None, (self.stream, self.flow)):
                options["frames_at_once"] = 1

    def answer(self, video: str) -> dict[str, Any]:
        """Classify one video, or give ``{"file", "error"}`` where it cannot be read."""
        from lrcn_hub.data.videos import UnreadableVideoError
        from lrcn_hub.timeline.answer import answer_video
        from lrcn_hub.timeline.points import TimelineRecorder

        try:
            frames = self._frames(video)
            recorder = TimelineRecorder(len(frames)) if self.arguments.timeline else None
            found = answer_video(frames, early_exit=self.arguments.early_exit, watch=recorder, name=Path(video).name)
        except UnreadableVideoError as error:
            return {"file": video, "error": str(error)}
        if recorder is not None:
            self._draw(recorder.timeline(Path(video).name, self.names, found))
        top = found.top(self.arguments.top_k)
        return {
            "file": video,
            "answers": [{"label": self.names[label], "score": score} for label, score in top],
            "frames_seen": found.frames_seen,
            "frames": found.frames,
            "seconds": round(found.seconds_seen, 3),
        }

    def _frames(self, video: str) -> Any:
        from lrcn_hub.timeline.answer import TwoStreams
        from lrcn_hub.timeline.dense import DenseVideo

        model, processor, options = self.stream
        frames = DenseVideo(model, processor, video, **options)
        if self.flow is None:
            return frames
        model, processor, options = self.flow
        first, second = map(float, self.arguments.weights or (1, 1))
        return TwoStreams(frames, DenseVideo(model, processor, video, **options), (first, second))

    def _draw(self, timeline: Any) -> None:
        from lrcn_hub.timeline.drawing import draw_timeline
        from lrcn_hub.timeline.page import write_page

        write = draw_timeline if self.arguments.timeline.suffix == ".png" else write_page
        write(timeline, self.arguments.timeline)


def _load(name: str, dtype: str) -> tuple[Any, Any, dict[str, Any]]:
    """Load a model, its processor, and how its run judged videos, as far as its recipe is there."""
    import torch
    from transformers import AutoModelForVideoClassification, AutoProcessor

    from lrcn_hub.models import LrcnForVideoClassification
    from lrcn_hub.training.recipe import read_recipe

    model, processor = AutoModelForVideoClassification.from_pretrained(name), AutoProcessor.from_pretrained(name)
    if not isinstance(model, LrcnForVideoClassification):
        raise ValueError(
            f"{name}: {type(model).__name__} is no recogniser of LRCN Hub; transformers' pipeline takes it"
        )
    recipe = Path(name) / "recipe.yaml"
    data = read_recipe(str(recipe)).get("data", {}) if recipe.is_file() else {}
    options = {option: data[option] for option in ("clip_stride", "frame_rate") if option in data}
    if data.get("chunk_frames"):
        options["clip_length"] = 0  # videos are judged whole
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu", getattr(torch, dtype)), processor, options
