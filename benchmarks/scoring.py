"""How long the caption metrics take for 40,000 captions with 5 references each, tokenisation apart, on one core.

    python benchmarks/scoring.py [--captions 40000] [--coco FOLDER]

Each metric is timed by itself on the same tokens. `--coco` names a folder with the package pycocoevalcap, such as the
site-packages of an environment with `lrcn-hub[coco]`, whose Python scorers then take turns with ours; in the
environment of this package it is found without. The captions are random words as frequent as words are, and an image's
share about half of theirs.
"""

import argparse
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import islice, product
from typing import Any

import numpy as np

from lrcn_hub.scoring import bleu_scores, cider_d_scores, cider_scores, ptb_tokenize, rouge_l_scores

Corpus = tuple[list[list[str]], list[list[list[str]]]]
OURS = {"bleu": bleu_scores, "rouge_l": rouge_l_scores, "cider_d": cider_d_scores, "cider": cider_scores}


def random_corpus(images: int, references: int = 5, vocabulary: int = 10_000) -> Corpus:
    """Draw a caption and `references` for each image: a sentence of about 10.5 words, said anew each time."""
    random = np.random.default_rng(0)
    words = np.array(["".join(letters) for letters in islice(product("etaoinshrdlu", repeat=5), vocabulary)])
    frequencies = np.cumsum(1 / (np.arange(vocabulary) + 2.7))

    def draw(count: int) -> np.ndarray:
        return np.searchsorted(frequencies, random.random(count) * frequencies[-1])

    captions = []
    for length in np.clip(random.normal(10.5, 2.2, images).round().astype(int), 6, 30):
        common = draw(length)
        kept = random.random((references + 1, length))
        captions.append([words[np.where(row < 0.55, common, draw(length))[row > 0.08]].tolist() for row in kept])
    return [one[0] for one in captions], [one[1:] for one in captions]


def rivals(corpus: Corpus) -> dict[str, Callable[[], Any]]:
    """The scorers of pycocoevalcap by our names, if it can be imported, bound to `corpus`."""
    if find_spec("pycocoevalcap") is None:
        return {}
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    ours = {image: [" ".join(caption)] for image, caption in enumerate(corpus[0])}
    theirs = {image: [" ".join(caption) for caption in captions] for image, captions in enumerate(corpus[1])}
    return {
        "bleu": lambda: Bleu(4).compute_score(theirs, ours, verbose=0),
        "rouge_l": lambda: Rouge().compute_score(theirs, ours),
        "cider_d": lambda: Cider().compute_score(theirs, ours),
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of this process's time on the processor, which other programs do not lengthen as they do the clock's."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=int, default=40_000)
    parser.add_argument("--coco", help="a folder with pycocoevalcap")
    arguments = parser.parse_args()
    if arguments.coco:
        sys.path.append(arguments.coco)
    corpus = random_corpus(arguments.captions)
    texts = [
        " ".join(caption)
        for captions in zip(corpus[0], *zip(*corpus[1], strict=True), strict=True)
        for caption in captions
    ]
    seconds, _ = timed(lambda: [ptb_tokenize(text) for text in texts])
    print(f"{arguments.captions:,} captions with 5 references each; seconds of processor time, one core")
    print(f"tokenising all {len(texts):,}: {seconds:.1f}")
    others = rivals(corpus)
    for name, metric in OURS.items():
        ours, (score, _) = timed(lambda metric=metric: metric(*corpus))
        line = f"{name:8} {ours:6.1f}"
        if name in others:
            theirs, (expected, _) = timed(others[name])
            line += f"   pycocoevalcap {theirs:6.1f}   difference {np.abs(np.subtract(score, expected)).max():.0e}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
