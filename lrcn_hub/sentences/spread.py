"""How long and how new the sentences of an evaluation are, beside people's and another run's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from lrcn_hub.reporting.content import Evaluation, Histogram, ReportSection
from lrcn_hub.scoring import CaptionVariety, caption_variety, new_ngram_shares, ptb_tokenize

BINS = 20
"""Of lengths, at most."""
PEOPLE = "people"
NEW_BINS = ("0%", *(f"\u2264{tenth}0%" for tenth in range(1, 11)))


def spread_sections(evaluation: Evaluation, column: str) -> list[ReportSection]:
    """Tell of lengths, and of what is new where the training sentences are known; references are in `column`."""
    references = evaluation.table[column][:]
    groups = {"this run": evaluation.predictions, PEOPLE: [several[0] for several in references]}
    if evaluation.other:
        groups["other run"] = evaluation.other.predictions
    training = None
    if evaluation.training_table is not None:
        training = list({sentence for several in evaluation.training_table[column][:] for sentence in several})
    everybody = groups | {PEOPLE: [sentence for several in references for sentence in several]}
    histograms = [length_histogram(everybody)]
    if training is not None:
        histograms.append(novelty_histogram(groups, training))
    figures = _figures({name: caption_variety(said, training) for name, said in groups.items()}, column)
    text = f"Of people, one of the {column} of each row is counted; of lengths, all."
    if training is not None:
        text += " New is a run of four words that no training sentence has."
    return [ReportSection("How long, how different, how new", text, figures, histograms)]


def length_histogram(groups: Mapping[str, Sequence[str]]) -> Histogram:
    """Spread sentences by their tokens: bins of 1, 2, 5, ... lengths, the last one open where it holds few."""
    lengths = {name: np.array([len(ptb_tokenize(one)) for one in said]) for name, said in groups.items()}
    every = np.concatenate(list(lengths.values()))
    low, high = int(every.min()), max(int(np.quantile(of, 0.995, method="inverted_cdf")) for of in lengths.values())
    width = next(width for width in _round_widths() if (high - low) // width < BINS)
    low -= low % width
    edges = list(range(low, high + 1, width))
    names = [str(edge) if width == 1 else f"{edge}\u2013{edge + width - 1}" for edge in edges]
    if every.max() >= edges[-1] + width:
        names[-1] = f"{edges[-1]}+"
    shares = {name: _shares(np.searchsorted(edges, of, "right") - 1, len(edges)) for name, of in lengths.items()}
    return Histogram("Words in a sentence", names, shares)


def novelty_histogram(groups: Mapping[str, Sequence[str]], training: Iterable[str]) -> Histogram:
    """Spread sentences by the share of their runs of four words that no training sentence has.

    Those without such a run are left out.
    """
    every = new_ngram_shares([one for said in groups.values() for one in said], training)
    shares, start = {}, 0
    for name, said in groups.items():
        new = every[start : start + len(said)]
        tenths = np.ceil(new[~np.isnan(new)] * 10 - 1e-9).astype(int)
        shares[name], start = _shares(tenths, len(NEW_BINS)), start + len(said)
    return Histogram("How much of a sentence is new", NEW_BINS, shares)


def _figures(found: Mapping[str, CaptionVariety], column: str) -> list[tuple[str, str]]:
    """Short values of this run, the others' in their meanings."""

    def figure(meaning: str, write: Callable[[CaptionVariety], str]) -> tuple[str, str]:
        value, *others = [write(one) for one in found.values()]
        names = list(found)[1:]
        return value, f"{meaning} ({', '.join(f'{name}: {other}' for name, other in zip(names, others, strict=True))})"

    figures = [
        figure(f"of the {column} are different", lambda one: f"{one.different:.0%}"),
        figure("different words are used", lambda one: f"{one.words:,}"),
    ]
    if all(one.copied is not None for one in found.values()):
        figures += [
            figure("of the words of the training data are used", lambda one: f"{one.vocabulary_used or 0:.0%}"),
            figure(f"of the {column} stand in the training data as they are", lambda one: f"{one.copied or 0:.0%}"),
        ]
    return figures


def _shares(places: np.ndarray, bins: int) -> list[float]:
    return (np.bincount(places, minlength=bins) / max(1, len(places))).tolist()


def _round_widths() -> Iterable[int]:
    return (factor * 10**power for power in range(9) for factor in (1, 2, 5))
