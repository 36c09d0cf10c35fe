"""The tokenizer that a recipe names: the authors' way of cutting words, or anybody else's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from transformers import AutoTokenizer

from lrcn_hub.data.text import build_word_tokenizer, count_vocabulary, read_vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class TokenizerOptions(Protocol):
    """What of a task's model options is about words."""

    tokenizer: str
    min_count: int
    vocabulary: str | None


def build_tokenizer(sentences: Iterable[str], options: TokenizerOptions) -> PreTrainedTokenizerBase:
    """Make the authors' tokenizer for the training `sentences`, or load another.

    Raises ValueError if no word is left, or if the other one has no token that ends a sentence.
    """
    if options.tokenizer != "authors":
        try:
            tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
        except OSError as error:
            raise OSError(f"tokenizer {options.tokenizer}: {error}") from error
        if tokenizer.eos_token_id is None:
            raise ValueError(f"tokenizer {options.tokenizer} has no eos_token: a sentence could not end")
        return tokenizer
    if options.vocabulary:
        return build_word_tokenizer(read_vocabulary(options.vocabulary))
    words = count_vocabulary(sentences, options.min_count)
    if not words:
        raise ValueError(f"no word occurs {options.min_count} times in the training sentences; set a lower min_count")
    return build_word_tokenizer(words)
