"""Images by their captions and captions by their images, from a captioner's own likelihood (paper section 5.1)."""

from lrcn_hub.retrieval.image_index import ImageIndex, encode_images, image_files
from lrcn_hub.retrieval.judging import judge_retrieval, judge_scores, normalise_by_prior
from lrcn_hub.retrieval.likelihood import (
    ScoredSentence,
    ScoredWord,
    score,
    score_features,
    unknown_words,
    word_ids,
)
from lrcn_hub.retrieval.pairs import score_pairs

__all__ = [
    "ImageIndex",
    "ScoredSentence",
    "ScoredWord",
    "encode_images",
    "image_files",
    "judge_retrieval",
    "judge_scores",
    "normalise_by_prior",
    "score",
    "score_features",
    "score_pairs",
    "unknown_words",
    "word_ids",
]
