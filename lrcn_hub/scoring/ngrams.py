"""The n-grams of a whole corpus as arrays, so that scoring tens of thousands of captions takes seconds."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count

import numpy as np
from numpy.typing import NDArray

from lrcn_hub.scoring.corpus import MAX_ORDER, Tokens, split_words

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Entries:
    """How often captions use the n-grams of one order: an entry for each n-gram of each caption, sorted by caption."""

    caption: Integers
    """Which caption, counted from 0 over the candidates or over all references in order."""
    ngram: Integers
    """Which n-gram, below `NgramComparison.distinct`."""
    count: Integers


@dataclass(frozen=True)
class NgramComparison:
    """The n-grams of one order of all candidates and references, and where they meet."""

    candidates: Entries
    references: Entries
    distinct: int
    """How many different n-grams of this order the corpus has."""
    shared: Integers
    """Which entries of `references` the candidate of the same image has too."""
    match: Integers
    """For each of `shared`, the entry of `candidates` with the same n-gram."""


class Corpus:
    """Tokenised candidates and references, with their words as numbers."""

    def __init__(self, candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> None:
        captions = [split_words(tokens) for tokens in chain(candidates, chain.from_iterable(references))]
        numbers: defaultdict[str, int] = defaultdict(count().__next__)
        lengths = np.array([len(words) for words in captions])
        self._words = np.fromiter(map(numbers.__getitem__, chain.from_iterable(captions)), np.int64, lengths.sum())
        self._caption = np.repeat(np.arange(len(captions)), lengths)
        self._ends = np.cumsum(lengths)
        self._vocabulary = len(numbers)
        self.images = len(candidates)
        self.references_of = np.array([len(one) for one in references])
        """How many references each image has."""
        self.image = np.repeat(np.arange(self.images), self.references_of)
        """The image of each reference."""
        self.candidate_lengths = lengths[: self.images]
        self.reference_lengths = lengths[self.images :]

    def compare(self) -> Iterator[NgramComparison]:
        """Compare the n-grams of each order from 1 to `MAX_ORDER`."""
        start = np.arange(len(self._words))
        ngram, distinct = self._words, self._vocabulary
        for order in range(1, MAX_ORDER + 1):
            yield self._meet(self._caption[start], ngram, distinct)
            longer = start + order < self._ends[self._caption[start]]
            start = start[longer]
            extended = ngram[longer] * self._vocabulary + self._words[start + order]
            found, ngram = np.unique(extended, return_inverse=True)
            distinct = len(found)

    def _meet(self, caption: Integers, ngram: Integers, distinct: int) -> NgramComparison:
        keys, counts = np.unique(caption * distinct + ngram, return_counts=True)
        caption, ngram = np.divmod(keys, distinct) if distinct else (keys, keys)
        split = np.searchsorted(caption, self.images)
        candidates = Entries(caption[:split], ngram[:split], counts[:split])
        references = Entries(caption[split:] - self.images, ngram[split:], counts[split:])
        sought = self.image[references.caption] * distinct + references.ngram
        place = np.searchsorted(keys[:split], sought)
        shared = np.flatnonzero(keys[np.minimum(place, len(keys) - 1)] == sought) if len(keys) else place
        return NgramComparison(candidates, references, distinct, shared, place[shared])
