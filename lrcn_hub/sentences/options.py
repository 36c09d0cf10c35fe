"""What a recipe can choose about how sentences are found, the same for every task that answers with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass
class SentenceEvaluationOptions:
    """How the sentences of a row are found."""

    strategy: Literal["greedy", "beam", "sample", "best-of-n", "diverse-beam"] = "greedy"
    """greedy: the likeliest word at each step. beam: beam search by the authors' rule. sample: one sentence, drawn.
    best-of-n: the likeliest of num_samples drawn ones, as in the paper. diverse-beam: beam search in groups that avoid
    one another's words."""
    max_new_tokens: int = 50
    """Words of the longest sentence, end included."""
    num_beams: int = 5
    """Sentences kept at each step, for beam and diverse-beam."""
    num_groups: int = 5
    """Groups of beams, for diverse-beam."""
    diversity_penalty: float = 0.5
    """What a word costs that earlier groups chose at the same step, for diverse-beam."""
    num_samples: int = 100
    """Sentences drawn for each row, for best-of-n."""
    logit_scale: float = 1.5
    """What multiplies the logits before drawing (the authors' T; above 1 it sharpens), for sample and best-of-n."""
