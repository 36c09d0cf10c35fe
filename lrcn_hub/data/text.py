"""Captions as words and ids, as the authors' ``coco_to_hdf5_data.py`` makes them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

END_OF_SENTENCE = "<EOS>"  # id 0; also starts every caption
UNKNOWN_WORD = "<unk>"  # id 1

# The tokenizers library brings its own regular expressions, whose \w, \s, ^ and $ mean something else than Python's.
_WORD = r"[\p{L}\p{N}_]"
_BLANK = r"[\s\x{1c}-\x{1f}]"
_OUTER_BLANKS = rf"\A{_BLANK}+|{_BLANK}+\z"


def split_words(caption: str) -> list[str]:
    """Cut a caption into lower-case words and runs of punctuation, the authors' way.

    A run of punctuation is one piece, inner blanks included (``"), ("``). A final piece that is exactly a full stop is
    dropped; one with a blank before it (``"dogs ."``) is another piece and stays, as in the released code. Letters are
    Unicode's; the authors' Python 2 knew ASCII alone and would have cut ``café`` in two.
    """
    lowered = "".join(map(str.lower, caption.strip()))  # letter by letter, as the tokenizers library does it
    pieces = [piece for piece in re.split(r"(\W+)", lowered) if piece.strip()]
    if pieces and pieces[-1] == ".":
        pieces.pop()
    return [piece.strip() for piece in pieces]


def count_vocabulary(captions: Iterable[str], min_count: int = 5) -> list[str]:
    """Collect the words that occur at least `min_count` times, the most frequent first, equals in code-point order.

    Count the captions of the training split alone. The first word gets id 2, after ``<EOS>`` and ``<unk>``.
    """
    counts = Counter(word for caption in captions for word in split_words(caption))
    kept = [word for word, count in counts.items() if count >= min_count]
    return sorted(kept, key=lambda word: (-counts[word], word))


def read_vocabulary(path: str | Path) -> list[str]:
    """Read a vocabulary file, one word a line; the ``<unk>`` that opens the authors' ``vocabulary.txt`` is skipped.

    Raises ValueError for a word listed twice, which would have two ids.
    """
    words = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    words = words[1:] if words[:1] == [UNKNOWN_WORD] else words
    repeated = [word for word, count in Counter(words).items() if count > 1]
    if repeated:
        raise ValueError(f"{path}: words listed more than once: {', '.join(map(repr, repeated[:5]))}")
    return words


def build_word_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """Make a stock fast tokenizer whose ids are those of `split_words`: 0 ``<EOS>``, 1 ``<unk>``, then `words`.

    It appends ``<EOS>``; with ``add_special_tokens=False`` it does not, which is how a caption's beginning is given as
    a prompt. Words it does not know become ``<unk>``.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    ids = {word: index for index, word in enumerate([END_OF_SENTENCE, UNKNOWN_WORD, *words])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN_WORD))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_OUTER_BLANKS), ""),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(rf"(?:\A|(?<={_WORD}))\.\z"), ""),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(f"{_WORD}+"), "isolated"),
            pre_tokenizers.Split(Regex(_OUTER_BLANKS), "removed"),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END_OF_SENTENCE}", special_tokens=[(END_OF_SENTENCE, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_SENTENCE,
        eos_token=END_OF_SENTENCE,
        pad_token=END_OF_SENTENCE,
        unk_token=UNKNOWN_WORD,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,  # a caption that spells out <EOS> does not end there
    )
