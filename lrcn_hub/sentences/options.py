"""What a recipe can choose about how sentences are learnt and found, the same for every task that says something."""

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


@dataclass
class SentenceObjectiveOptions:
    """The options of those objectives that have any."""

    smoothing: float = 0.1
    """label-smoothing: the share of the chances that is given to all words alike."""
    own_words: float = 0.25
    """scheduled-sampling: the share of the words read that are the model's own at the end of training; it rises evenly
    from 0."""
    baseline: Literal["others", "greedy"] = "others"
    """self-critical: what a drawn sentence is to be better than, the mean of the other drawn ones, or what the model
    says when it is greedy."""
    samples_per_row: int = 5
    """self-critical: sentences drawn for each row in a step."""
    end_counts: bool = True
    """self-critical: the end of a sentence counts as a word of it; without, a sentence that breaks off may pay."""
    likelihood_weight: float = 0.0
    """self-critical: how much of the likelihood loss is added."""

    def __post_init__(self) -> None:
        for name in ("smoothing", "own_words"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be from 0 to 1")
        if self.likelihood_weight < 0:
            raise ValueError(f"likelihood_weight is {self.likelihood_weight}; it must be at least 0")
        if self.samples_per_row < 1 + (self.baseline == "others"):
            raise ValueError(
                f"samples_per_row is {self.samples_per_row}; it must be at least 2 for the baseline 'others' and 1 "
                "for 'greedy'"
            )
