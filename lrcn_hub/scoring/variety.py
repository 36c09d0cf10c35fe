"""Does a captioner still look? Captions that are all alike, or all remembered, score better than they deserve."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lrcn_hub.scoring.ptb_tokenizer import ptb_tokenize

FEWEST_CAPTIONS = 20
"""Of fewer nothing can be said."""
LEAST_DIFFERENT = 0.05
MOST_OF_ONE = 0.5


@dataclass(frozen=True)
class CaptionVariety:
    """How much captions differ; two are the same if they have the same tokens, whatever their case and punctuation."""

    captions: int
    different: float
    """The number of different captions divided by that of captions."""
    commonest: str
    """The tokens of the caption given most often, of several the first."""
    commonest_share: float
    """The share of captions that it is."""
    words: int
    """How many different words are used."""
    vocabulary_used: float | None = None
    """The share of the different words of the training captions that are used; None where those are not known."""
    copied: float | None = None
    """The share of captions that a training caption equals; None where those are not known."""

    def alarm(self) -> str | None:
        """Say that, and how, the captions have collapsed; None where they have not.

        They have where one caption makes up more than half of them, or only one in twenty is different. Fewer
        than 20 captions give no alarm.
        """
        if self.captions < FEWEST_CAPTIONS:
            return None
        if self.commonest_share > MOST_OF_ONE:
            return f"captions have collapsed: {self.commonest!r} is said of {self.commonest_share:.0%} of the images"
        if self.different <= LEAST_DIFFERENT:
            return f"captions have collapsed: only {self.different:.1%} of {self.captions} are different"
        return None


def caption_variety(captions: Sequence[str], training_captions: Iterable[str] | None = None) -> CaptionVariety:
    """Judge how much `captions`, one for each image, differ; and from `training_captions`, where they are given.

    Raises ValueError where there are no captions.
    """
    if not captions:
        raise ValueError("there is nothing to judge: no captions were given")
    said = [tuple(ptb_tokenize(caption)) for caption in captions]
    times = Counter(said)
    commonest, most = times.most_common(1)[0]
    words = set().union(*times)
    used = copied = None
    if training_captions is not None:
        known = {tuple(ptb_tokenize(caption)) for caption in training_captions}
        vocabulary: set[str] = set().union(*known)
        used = len(words & vocabulary) / len(vocabulary) if vocabulary else 0.0
        copied = sum(caption in known for caption in said) / len(said)
    return CaptionVariety(
        len(said), len(times) / len(said), " ".join(commonest), most / len(said), len(words), used, copied
    )
