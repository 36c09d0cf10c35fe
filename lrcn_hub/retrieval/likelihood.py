"""How likely a captioner finds sentences about an image, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models.modeling_lrcn import IGNORED_LABEL, LrcnForImageCaptioning
from lrcn_hub.models.processing_lrcn import LrcnCaptioningProcessor
from lrcn_hub.sentences.generation import word_log_likelihoods

SENTENCES_AT_ONCE = 64


@dataclass(frozen=True)
class ScoredWord:
    """A word of a sentence as it is written there, and log p(word | image, words before)."""

    word: str
    log_p: float
    known: bool
    """Whether it is in the model's vocabulary; if not, this is the probability of any unknown word."""


@dataclass(frozen=True)
class ScoredSentence:
    """A sentence and the natural logarithms of its words' probabilities."""

    sentence: str
    words: tuple[ScoredWord, ...]
    end_log_p: float
    """Of the sentence ending here."""

    @property
    def log_p(self) -> float:
        """The sum over the words, without the end: what retrieval goes by (retrieval_experiment.py)."""
        return sum(word.log_p for word in self.words)

    @property
    def log_p_with_end(self) -> float:
        """The sum with the end: what sentences are chosen by that the model has drawn itself (captioner.py)."""
        return self.log_p + self.end_log_p

    @property
    def unknown_words(self) -> list[str]:
        return [word.word for word in self.words if not word.known]


def score(
    model: LrcnForImageCaptioning, processor: LrcnCaptioningProcessor, image: Any, sentences: Sequence[str]
) -> list[ScoredSentence]:
    """Score what might be said of `image` (a path, the bytes of a file, a PIL image), seen once for all sentences.

    Raises ValueError for a sentence without words, and UnreadableImageError, which names the image.
    """
    pixels = processor(images=image)["pixel_values"].to(model.device)
    with torch.no_grad():
        return score_features(model, processor, model.encoder(pixels)[0][:, 0], sentences)


def score_features(
    model: LrcnForImageCaptioning, processor: LrcnCaptioningProcessor, features: Tensor, sentences: Sequence[str]
) -> list[ScoredSentence]:
    """Score sentences as `score` does, of the `features` (1, F) that the encoder gave for the image."""
    word_ids(processor, sentences)  # refuses what has no words
    encoded, end = BaseModelOutput(features[:, None]), processor.tokenizer.eos_token_id
    scored = []
    for start in range(0, len(sentences), SENTENCES_AT_ONCE):
        part = list(sentences[start : start + SENTENCES_AT_ONCE])
        ids = processor.labels(part).to(features.device)
        log_p = word_log_likelihoods(model, encoded, ids.masked_fill(ids == IGNORED_LABEL, end))
        for sentence, values in zip(part, log_p.tolist(), strict=True):
            scored.append(_scored(processor, sentence, values))
    return scored


def _scored(processor: LrcnCaptioningProcessor, sentence: str, log_p: Sequence[float]) -> ScoredSentence:
    given = processor.tokenizer(sentence, add_special_tokens=False, return_offsets_mapping=True)
    unknown, words = processor.tokenizer.unk_token_id, []
    for id_, (begin, end), value in zip(given["input_ids"], given["offset_mapping"], log_p, strict=False):
        words.append(ScoredWord(sentence[begin:end].strip(), value, unknown is None or id_ != unknown))
    return ScoredSentence(sentence, tuple(words), log_p[len(words)])


def word_ids(processor: LrcnCaptioningProcessor, sentences: Sequence[str]) -> list[list[int]]:
    """Turn sentences into ids without start and end, as `score_pairs` takes them.

    Raises ValueError, naming it, for a sentence without words.
    """
    ids: list[list[int]] = processor.tokenizer(list(sentences), add_special_tokens=False)["input_ids"]
    for number, (sentence, words) in enumerate(zip(sentences, ids, strict=True), start=1):
        if not words:
            raise ValueError(f"caption {number} of {len(ids)} is {sentence!r}: there are no words in it")
    return ids


def unknown_words(processor: LrcnCaptioningProcessor, sentences: Sequence[str]) -> list[str]:
    """List, each once, the words that are not in the vocabulary."""
    unknown = processor.tokenizer.unk_token_id
    found: dict[str, None] = {}
    for sentence in sentences:
        given = processor.tokenizer(sentence, add_special_tokens=False, return_offsets_mapping=True)
        for id_, (begin, end) in zip(given["input_ids"], given["offset_mapping"], strict=True):
            if unknown is not None and id_ == unknown:
                found[sentence[begin:end].strip()] = None
    return list(found)
