"""``lrcn retrieve``: the photos of a folder that a sentence fits best."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from lrcn_cli.command import command_parser

DETAILS = """\
Prints a line `file<TAB>score` for each of the best photos, the best one first. The score is log p(sentence | photo)
less the logarithm of its mean over all photos: above 0, the sentence fits the photo better than it fits the folder.
Photos are found by their names' endings, also in folders below; those that cannot be read are named on standard error
and left out. What the network sees in a photo is kept in the index folder, so that the next query is quick."""

EXAMPLES = """
lrcn retrieve "a red bus" --images holiday --model my-captioner
lrcn retrieve "a red bus" --images holiday --model my-captioner --top 3 --json
"""


def main(argv: list[str]) -> int:
    """Find photos; returns the exit code."""
    parser = command_parser("retrieve", details=DETAILS, examples=EXAMPLES)
    parser.add_argument("sentence", metavar="SENTENCE", help="what the photos should show")
    parser.add_argument("--images", required=True, type=Path, metavar="DIR", help="the folder of photos")
    add_common(parser)
    parser.add_argument("--top", type=int, default=10, metavar="K", help="so many photos; default: 10")
    arguments = parser.parse_args(argv)
    if arguments.top < 1:
        parser.error(f"--top is {arguments.top}; it must be at least 1")

    answer = retrieve(arguments.sentence, arguments.images, arguments.model, arguments.index)
    answer["photos"] = answer["photos"][: arguments.top]
    if arguments.json:
        print(json.dumps(answer, indent=2))
    else:
        for photo in answer["photos"]:
            print(f"{photo['file']}\t{photo['score']:+.2f}")
    return 0


def retrieve(sentence: str, folder: Path, name: str, index: Path) -> dict[str, Any]:
    """Score all photos of `folder`, the best first; what is wrong with others, and unknown words, is said, too."""
    from lrcn_hub.retrieval import ImageIndex, image_files, normalise_by_prior, score_pairs, word_ids

    files = image_files(folder)
    model, processor = load_captioner(name)
    ids = word_ids(processor, [sentence])
    unknown = tell_unknown_words("retrieve", processor, [sentence])
    features, readable, bad = ImageIndex(model, processor, index).look(files)
    tell_unreadable("retrieve", bad, len(files))
    log_p = score_pairs(model, features, ids).numpy()
    scores = normalise_by_prior(log_p)
    best_first = (-scores[:, 0]).argsort(kind="stable")  # equals stay in the order of their paths
    photos = [
        {"file": str(files[readable[row]]), "score": float(scores[row, 0]), "log_p": float(log_p[row, 0])}
        for row in best_first
    ]
    skipped = [{"file": one.name, "error": one.reason} for one in bad]
    return {"sentence": sentence, "unknown_words": unknown, "photos": photos, "skipped": skipped}


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options of all commands that retrieve."""
    parser.add_argument(
        "--model", required=True, metavar="DIR", help="folder of a trained captioner, or its name on the Hub"
    )
    parser.add_argument(
        "--index",
        type=Path,
        default=default_index(),
        metavar="FOLDER",
        help="where features of photos are kept; default: %(default)s",
    )
    parser.add_argument("--json", action="store_true", help="print one object, with all that is known")


def default_index() -> Path:
    """The user's cache folder, as desktops agree on it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lrcn-hub" / "features"


def load_captioner(name: str) -> tuple[Any, Any]:
    """Load a captioner and its processor; ValueError for a model of another kind."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.utils import logging

    from lrcn_hub.models import LrcnForImageCaptioning
    from lrcn_hub.plugins import task_names

    task_names()  # a plugin's own models are known to transformers once it is loaded
    logging.disable_progress_bar()
    model, processor = AutoModelForImageTextToText.from_pretrained(name), AutoProcessor.from_pretrained(name)
    if not isinstance(model, LrcnForImageCaptioning):
        raise ValueError(f"{name}: {type(model).__name__} is no captioner of LRCN Hub: it gives no likelihoods")
    processor.check_vocabulary(model.config.vocab_size)
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), processor


def tell_unknown_words(command: str, processor: Any, sentences: list[str]) -> list[str]:
    """Say on standard error which words the model does not know, and give them."""
    from lrcn_hub.retrieval import unknown_words

    unknown = unknown_words(processor, sentences)
    if unknown:
        listed = ", ".join(unknown[:20]) + (f" and {len(unknown) - 20} more" if len(unknown) > 20 else "")
        print(f"lrcn {command}: words that the model does not know, all alike to it: {listed}", file=sys.stderr)
    return unknown


def tell_unreadable(command: str, bad: list[Any], total: int) -> None:
    """Say on standard error which photos are left out."""
    for one in bad:
        print(f"lrcn {command}: {one.name}: {one.reason}", file=sys.stderr)
    if bad:
        print(f"lrcn {command}: {len(bad)} of {total} photos cannot be read and are left out", file=sys.stderr)
