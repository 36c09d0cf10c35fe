"""``lrcn rank``: the captions of a list that fit a photo best."""

import json
from pathlib import Path
from typing import Any

from lrcn_cli.command import command_parser
from lrcn_cli.retrieve import add_common, load_captioner, tell_unknown_words, tell_unreadable

DETAILS = """\
Prints a line `caption<TAB>score` for each line of the file, the best one first; blank lines do not count. The score is
log p(caption | photo), its end not counted, by which short captions have it easier. With --images it is less the
logarithm of the mean over those photos and this one, as the paper does it: captions that fit any photo come later."""

EXAMPLES = """
lrcn rank holiday.jpg --captions captions.txt --model my-captioner
lrcn rank holiday.jpg --captions captions.txt --images holiday --model my-captioner --json
"""


def main(argv: list[str]) -> int:
    """Rank captions; returns the exit code."""
    parser = command_parser("rank", details=DETAILS, examples=EXAMPLES)
    parser.add_argument("photo", metavar="PHOTO", help="an image file")
    parser.add_argument("--captions", required=True, type=Path, metavar="FILE", help="text, one caption a line")
    parser.add_argument("--images", type=Path, metavar="DIR", help="photos to compare with, in this folder or below")
    add_common(parser)
    arguments = parser.parse_args(argv)

    answer = rank(arguments.photo, arguments.captions, arguments.images, arguments.model, arguments.index)
    if arguments.json:
        print(json.dumps(answer, indent=2))
    else:
        for caption in answer["captions"]:
            print(f"{caption['caption']}\t{caption['score']:+.2f}")
    return 0


def rank(photo: str, file: Path, folder: Path | None, name: str, index: Path) -> dict[str, Any]:
    """Score all captions of `file` for a photo, the best first."""
    from lrcn_hub.retrieval import score

    captions = read_captions(file)
    model, processor = load_captioner(name)
    unknown = tell_unknown_words("rank", processor, captions)
    scored = score(model, processor, photo, captions)
    scores = [one.log_p for one in scored]
    if folder is not None:
        scores = _normalised(scores, photo, captions, folder, (model, processor), index)
    ranked = [
        {
            "caption": one.sentence,
            "score": value,
            "log_p": one.log_p,
            "end_log_p": one.end_log_p,
            "words": [{"word": word.word, "log_p": word.log_p, "known": word.known} for word in one.words],
        }
        for one, value in sorted(zip(scored, scores, strict=True), key=lambda pair: -pair[1])
    ]
    return {"photo": photo, "unknown_words": unknown, "captions": ranked}


def read_captions(file: Path) -> list[str]:
    """Read the lines that are not blank. Raises ValueError if there are none, or if it is no text."""
    try:
        captions = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not a text in UTF-8: {error}") from error
    if not captions:
        raise ValueError(f"{file}: there are no captions in it; write one on each line")
    return captions


def _normalised(
    log_p: list[float], photo: str, captions: list[str], folder: Path, captioner: tuple[Any, Any], index: Path
) -> list[float]:
    """Normalise by the prior over the photo itself and those of `folder`."""
    from lrcn_hub.retrieval import ImageIndex, image_files, normalise_by_prior, score_pairs, word_ids

    model, processor = captioner
    others = [file for file in image_files(folder) if not file.samefile(photo)]
    rows = [log_p]
    if others:
        features, _, bad = ImageIndex(model, processor, index).look(others)
        tell_unreadable("rank", bad, len(others))
        rows += score_pairs(model, features, word_ids(processor, captions)).tolist()
    scores: list[float] = normalise_by_prior(rows)[0].tolist()
    return scores
