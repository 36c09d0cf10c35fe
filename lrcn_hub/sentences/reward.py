"""What a sentence is worth in self-critical training: its CIDEr-D against what people said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from lrcn_hub.models.modeling_lrcn import IGNORED_LABEL
from lrcn_hub.scoring import CiderD, ptb_tokenize
from lrcn_hub.scoring.cider import CiderVector

END = "."  # no token of a sentence: full stops by themselves are dropped
KEPT = 200_000  # vectors of sentences, about half a gigabyte of COCO's


class Reward:
    """CIDEr-D with document frequencies of the training data, counted once.

    With `end_counts` the end of a sentence is a word of it: otherwise a sentence that breaks off ("a man on a") can be
    worth more than a whole one.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, references: Iterable[Sequence[str]], *, end_counts: bool = True
    ):
        """Count in how many rows n-grams are used; `references` has a list of sentences for each training row."""
        self.tokenizer, self._end = tokenizer, [END] if end_counts else []
        self.cider_d = CiderD(
            [
                [ptb_tokenize(sentence) + self._end for sentence in sentences]
                for sentences in tqdm(references, desc="counting n-grams", leave=False)
            ]
        )
        self._vector = lru_cache(KEPT)(self._make_vector)

    def __call__(self, sentences: Tensor, references: Sequence[Sequence[str]]) -> Tensor:
        """Score `sentences` (rows N, T), ids with the end word where one has ended, N for each row.

        `references` are those of each row. Gives (rows, N), from 0 to 10.
        """
        ended = (sentences == self.tokenizer.eos_token_id).any(dim=1).tolist()
        ids = sentences.masked_fill(sentences == IGNORED_LABEL, self.tokenizer.eos_token_id)
        texts = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        said = list(zip(texts, ended, strict=True))
        count = len(said) // len(references)
        scores = []
        for row, truths in enumerate(references):
            wanted = [self._vector(truth, True) for truth in truths]
            mine = said[row * count : (row + 1) * count]
            each = {one: self.cider_d.score(self._vector(*one), wanted) for one in dict.fromkeys(mine)}
            scores.append([each[one] for one in mine])
        return torch.tensor(scores, device=sentences.device)

    def _make_vector(self, sentence: str, ended: bool) -> CiderVector:
        return self.cider_d.vector(ptb_tokenize(sentence) + (self._end if ended else []))
