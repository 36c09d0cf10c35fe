"""What the caption metrics share: the form of a corpus, and what counts as its words."""

from collections import Counter
from collections.abc import Sequence

MAX_ORDER = 4
"""The longest n-gram of BLEU-4, CIDEr and CIDEr-D."""

Tokens = Sequence[str]
Ngram = tuple[str, ...]


def split_words(tokens: Tokens) -> list[str]:
    """Split tokens where they hold white space, as coco-caption's BLEU and CIDEr do and its ROUGE-L does not.

    It writes a caption's tokens into one string and cuts that again: the token ``22 3/4``, whose space does not break,
    becomes two words.
    """
    return " ".join(tokens).split()


def count_ngrams(words: Sequence[str]) -> list[Counter[Ngram]]:
    """Count the n-grams of each order from 1 to `MAX_ORDER`; those of order n are at index n - 1."""
    shifted = [words[start:] for start in range(MAX_ORDER)]
    return [Counter(zip(*shifted[:order], strict=False)) for order in range(1, MAX_ORDER + 1)]


def check_corpus(candidates: Sequence[object], references: Sequence[Sequence[object]]) -> None:
    """Refuse what cannot be scored: one candidate and at least one reference are needed for every image.

    Raises ValueError for an empty corpus, unequal lengths or an image without references; TypeError where the
    references of an image are a string, whose letters would otherwise be taken for captions.
    """
    if len(candidates) != len(references):
        raise ValueError(
            f"{len(candidates)} candidates but references for {len(references)} images; "
            "give one candidate and one list of references for each image, in the same order"
        )
    if not candidates:
        raise ValueError("there is nothing to score: the corpus is empty")
    for index, image_references in enumerate(references):
        if isinstance(image_references, str):
            raise TypeError(f"the references of image {index} are the string {image_references!r}; put it into a list")
        if not image_references:
            raise ValueError(f"image {index} has no references; score only images that have at least one")
