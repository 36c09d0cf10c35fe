import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from lrcn_hub.data.text import (
    build_word_tokenizer,
    count_vocabulary,
    read_vocabulary,
    split_words,
)

REAL_CAPTIONS = Path(__file__).parents[3] / "shared/data/captions"
WORDS = ["a", "man", "riding", ",", "), (", ".", "café"]


@pytest.fixture(scope="module")
def tokenizer():
    return build_word_tokenizer(WORDS)


@cache
def real_captions():
    coco = json.loads((REAL_CAPTIONS / "coco/captions_val2017.json").read_text())["annotations"]
    flickr = (REAL_CAPTIONS / "flickr8k/Flickr8k.token.txt").read_text().splitlines()
    return [row["caption"] for row in coco] + [line.split("\t", 1)[1] for line in flickr]


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man riding.", ["a", "man", "riding"]),
        ("  Two dogs .", ["two", "dogs", "."]),
        ("A dog's life!", ["a", "dog", "'", "s", "life", "!"]),
        ("Stop..", ["stop", ".."]),
        ("A bus (red), (old) .\n", ["a", "bus", "(", "red", "), (", "old", ") ."]),
        ("Two\nlines.", ["two", "lines"]),
        ("e.g. 3.5m", ["e", ".", "g", ".", "3", ".", "5m"]),
        (" .", []),
        ("", []),
    ],
)
def test_captions_are_cut_as_in_the_released_code(caption, words):
    assert split_words(caption) == words


def test_words_are_ordered_by_count_and_then_by_spelling():
    captions = ["b b b a a a c", "c d", "d e."]
    assert count_vocabulary(captions, min_count=2) == ["a", "b", "c", "d"]
    assert count_vocabulary(captions, min_count=3) == ["a", "b"]


def test_ids_are_end_of_sentence_then_unknown_then_the_most_frequent_word(tokenizer):
    assert tokenizer("a man zebra").input_ids == [2, 3, 1, 0]
    assert len(tokenizer) == len(WORDS) + 2


def test_a_prompt_has_no_end_of_sentence(tokenizer):
    assert tokenizer("A man", add_special_tokens=False).input_ids == [2, 3]


def test_a_caption_that_spells_out_a_special_token_does_not_end_there(tokenizer):
    assert tokenizer("a <EOS> a").input_ids == [2, 1, 1, 1, 2, 0]


def test_decoding_joins_words_by_blanks_without_a_warning(tokenizer, caplog):
    ids = tokenizer("A man , riding.").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a man , riding"
    assert tokenizer.batch_decode([[2, 0, 0], [3, 5, 3]], skip_special_tokens=True) == ["a", "man , man"]
    assert not caplog.records


def test_batches_are_padded_on_the_right_under_a_mask(tokenizer):
    batch = tokenizer(["a", "a man riding"], padding=True, return_tensors="pt")
    assert batch.input_ids.tolist() == [[2, 0, 0, 0], [2, 3, 4, 0]]
    assert batch.attention_mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]


def test_the_tokenizer_is_the_same_after_a_reload(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    reloaded = AutoTokenizer.from_pretrained(tmp_path)
    caption = 'A "man", riding), (a <EOS> café .'
    assert type(reloaded) is type(tokenizer)
    assert reloaded(caption) == tokenizer(caption)
    assert reloaded.decode([2, 3, 5, 0]) == tokenizer.decode([2, 3, 5, 0])
    assert (reloaded.bos_token_id, reloaded.pad_token_id, reloaded.padding_side) == (0, 0, "right")


assigned = st.characters(exclude_categories=["Cs", "Cn"])  # later versions of Unicode give the rest a meaning
near_captions = st.text(st.sampled_from(" .,-'\"()\n\t\x1c\u3000aBß½²_İΣ\u0301") | assigned, max_size=25)


@given(near_captions)
@example("İ.")
@example("ΟΔΟΣ. ")
@example(" ), (. .")
def test_the_tokenizer_cuts_any_text_as_split_words_does(text):
    words = split_words(text)
    tokenizer = _cutter()
    cut = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
    assert [piece for piece, _ in cut] == words


@cache
def _cutter():
    return build_word_tokenizer([]).backend_tokenizer


@given(st.lists(near_captions, min_size=1, max_size=4))
def test_ids_equal_a_look_up_of_the_split_words(captions):
    vocabulary = count_vocabulary(captions, min_count=1)[::2]  # every other word becomes unknown
    ids = {word: index + 2 for index, word in enumerate(vocabulary)}
    expected = [[*(ids.get(word, 1) for word in split_words(caption)), 0] for caption in captions]
    assert build_word_tokenizer(vocabulary)(captions).input_ids == expected


def released_split(sentence):
    """The rule of `split_sentence` in coco_to_hdf5_data.py, told another way: find pieces instead of splitting."""
    pieces = [piece.lower() for piece in re.findall(r"\w+|\W+", sentence.strip()) if not piece.isspace()]
    return [piece.strip() for piece in (pieces[:-1] if pieces[-1] == "." else pieces)]


@pytest.mark.skipif(not REAL_CAPTIONS.is_dir(), reason="the real caption files are not here")
def test_real_captions_get_the_ids_of_the_released_code():
    captions = real_captions()
    assert len(captions) == 25_014 + 40_460
    counts = Counter(word for caption in captions for word in released_split(caption))
    lines = ["<unk>", *sorted((word for word in counts if counts[word] >= 5), key=lambda word: (-counts[word], word))]
    stream_ids = {word: index + 1 for index, word in enumerate(lines)}  # line number of vocabulary.txt, plus one
    vocabulary = count_vocabulary(captions)
    assert vocabulary == lines[1:]
    ids = build_word_tokenizer(vocabulary)(captions).input_ids
    assert ids == [[*(stream_ids.get(word, 1) for word in released_split(caption)), 0] for caption in captions]


def test_a_vocabulary_file_is_read_with_and_without_the_unknown_word_at_its_head(tmp_path):
    file = tmp_path / "vocabulary.txt"
    file.write_text("<unk>\na\n), (\ncafé\n", encoding="utf-8")
    assert read_vocabulary(file) == ["a", "), (", "café"]
    file.write_text("a\nman\n")
    assert read_vocabulary(file) == ["a", "man"]


def test_a_vocabulary_file_with_a_word_listed_twice_is_refused(tmp_path):
    file = tmp_path / "vocabulary.txt"
    file.write_text("a\nman\na\n")
    with pytest.raises(ValueError, match=r"vocabulary\.txt: words listed more than once: 'a'"):
        read_vocabulary(file)
