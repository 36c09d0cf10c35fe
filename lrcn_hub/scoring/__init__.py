"""How good captions are: the published metrics, without Java and without a network."""

from lrcn_hub.scoring.bleu import bleu_scores
from lrcn_hub.scoring.captions import score_captions
from lrcn_hub.scoring.cider import CiderD, CiderVector, cider_d_scores
from lrcn_hub.scoring.ptb_tokenizer import ptb_tokenize

__all__ = ["CiderD", "CiderVector", "bleu_scores", "cider_d_scores", "ptb_tokenize", "score_captions"]
