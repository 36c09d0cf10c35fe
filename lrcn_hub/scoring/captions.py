"""All caption metrics at once, from captions as people write them."""

from collections.abc import Sequence

from lrcn_hub.scoring.bleu import bleu_scores
from lrcn_hub.scoring.cider import cider_d_scores
from lrcn_hub.scoring.corpus import check_corpus
from lrcn_hub.scoring.ptb_tokenizer import ptb_tokenize


def score_captions(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Score one candidate caption for each image against the human captions of that image, as coco-caption does.

    Returns ``bleu_1`` to ``bleu_4`` (0 to 1) and ``cider_d`` (0 to 10; 1.0 is what a table prints as 100) of the whole
    corpus. An empty candidate is allowed and scores nearly nothing. Raises ValueError for an empty corpus, unequal
    lengths or an image without references, TypeError where the references of an image are a bare string.
    """
    check_corpus(candidates, references)
    candidate_tokens = [ptb_tokenize(caption) for caption in candidates]
    reference_tokens = [[ptb_tokenize(caption) for caption in captions] for captions in references]
    corpus_bleu, _ = bleu_scores(candidate_tokens, reference_tokens)
    scores = {f"bleu_{order}": float(score) for order, score in enumerate(corpus_bleu, start=1)}
    scores["cider_d"], _ = cider_d_scores(candidate_tokens, reference_tokens)
    return scores
