"""How good answers are: captions by the published metrics, without Java and without a network; retrieval; classes."""

from lrcn_hub.scoring.bleu import bleu_scores
from lrcn_hub.scoring.captions import CaptionScores, compare_captions, score_captions, score_each_caption
from lrcn_hub.scoring.cider import CiderD, CiderVector, cider_d_scores, cider_scores
from lrcn_hub.scoring.loading import load
from lrcn_hub.scoring.novelty import new_ngram_shares
from lrcn_hub.scoring.ptb_tokenizer import ptb_tokenize
from lrcn_hub.scoring.recognition import confusion_matrix, score_classes
from lrcn_hub.scoring.retrieval import first_ranks, score_ranks, score_retrieval
from lrcn_hub.scoring.rouge import rouge_l_scores
from lrcn_hub.scoring.variety import CaptionVariety, caption_variety

__all__ = [
    "CaptionScores",
    "CaptionVariety",
    "CiderD",
    "CiderVector",
    "bleu_scores",
    "caption_variety",
    "cider_d_scores",
    "cider_scores",
    "compare_captions",
    "confusion_matrix",
    "first_ranks",
    "load",
    "new_ngram_shares",
    "ptb_tokenize",
    "rouge_l_scores",
    "score_captions",
    "score_classes",
    "score_each_caption",
    "score_ranks",
    "score_retrieval",
]
