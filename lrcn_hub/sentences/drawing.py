"""Sentences drawn in training, many at a time, by random numbers that come from the rows and not from the process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lrcn_hub.models.modeling_lrcn import IGNORED_LABEL, LrcnSentenceModel


def random_numbers(seeds: Sequence[int], counts: Sequence[int], *shape: int) -> Tensor:
    """Draw numbers from [0, 1) for `counts[i]` sentences of row i from its seed: (sum of counts, *shape).

    What a row's sentences get does not depend on the other rows, so that it is the same on any number of processes.
    """
    parts = []
    for seed, count in zip(seeds, counts, strict=True):
        # the collator draws from the seed itself
        parts.append(torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed ^ 1)))
    return torch.cat(parts)


def choose_words(logits: Tensor, numbers: Tensor) -> Tensor:
    """Draw a word for each row of `logits` (rows, V) by a number from [0, 1): where it falls in the summed chances."""
    chances = logits.float().softmax(-1).cumsum(-1)
    words = torch.searchsorted(chances, (numbers * chances[:, -1])[:, None], right=True)[:, 0]
    return words.clamp(max=logits.shape[-1] - 1)  # rounding


@torch.no_grad()
def draw_sentences(model: LrcnSentenceModel, features: Tensor, numbers: Tensor) -> Tensor:
    """Draw N sentences about each row of `features` (B, F) by `numbers` (B, N, T) from [0, 1), word by word.

    Gives them as labels (B N, T'), T' at most T: the end word is their last, behind it comes `IGNORED_LABEL`; one that
    has not ended after T words is cut.
    """
    rows, count, steps = numbers.shape
    by_step = numbers.flatten(0, 1).unbind(dim=1)
    start = torch.full((rows, 1), model.config.decoder_start_token_id, device=features.device)
    logits, state = model.decode(start, features)  # all sentences of a row begin alike
    copies = torch.arange(rows, device=features.device).repeat_interleave(count)
    state.reorder_cache(copies)
    logits, features = logits[copies], features[copies]
    ended = torch.zeros(rows * count, dtype=torch.bool, device=features.device)
    said: list[Tensor] = []
    while True:
        words = choose_words(logits[:, -1], by_step[len(said)])
        said.append(words.masked_fill(ended, IGNORED_LABEL))
        ended = ended | (words == model.config.eos_token_id)
        if len(said) == steps or bool(ended.all()):
            return torch.stack(said, dim=1)
        logits, state = model.decode(words[:, None], features, state)


@torch.no_grad()
def mix_in_own_words(
    model: LrcnSentenceModel, features: Tensor, words: Tensor, numbers: Tensor, share: float
) -> Tensor:
    """Replace about a `share` of the `words` (B, T) that a model is to read by what it would have said there itself.

    A word is replaced where the first of its `numbers` (B, T, 2) from [0, 1) is below `share`; the second draws what
    the model says, having read the words before, replaced ones among them. The start word stays.
    """
    mixed, state = [words[:, 0]], None
    for t in range(1, words.shape[1]):
        logits, state = model.decode(mixed[-1][:, None], features, state)
        own = choose_words(logits[:, -1], numbers[:, t, 1])
        mixed.append(torch.where(numbers[:, t, 0] < share, own, words[:, t]))
    return torch.stack(mixed, dim=1)


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation mode, and back into training at the end: it draws without dropout."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
