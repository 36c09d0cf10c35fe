import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lrcn_hub.scoring.ptb_tokenizer import ptb_tokenize

PUNCTUATION = {
    "''",
    "'",
    "``",
    "`",
    "-LRB-",
    "-RRB-",
    "-LCB-",
    "-RCB-",
    ".",
    "?",
    "!",
    ",",
    ":",
    "-",
    "--",
    "...",
    ";",
}
PIECES = [
    "a",
    "St.",
    "S.",
    "I.",
    "u.s.",
    "'s",
    "n't",
    "\u2019",
    "1/2",
    "1,0",
    "\u00bd",
    ":)",
    "!?",
    "..",
    "&amp;",
    "<b>",
]
CAPTIONS = st.text() | st.text(string.printable) | st.lists(st.sampled_from([*PIECES, " ", "-", "@"])).map("".join)


def test_golden_captions_are_cut_as_by_the_java_tokenizer(golden):
    for item in golden["items"]:
        assert ptb_tokenize(item["candidate"]) == item["candidate_tokens"].split(" ")
        for caption, tokens in zip(item["references"], item["reference_tokens"], strict=True):
            assert ptb_tokenize(caption) == tokens.split(" ")


def test_hard_captions_are_cut_as_by_the_java_tokenizer(java_token_pairs):
    different = [pair["text"] for pair in java_token_pairs if " ".join(ptb_tokenize(pair["text"])) != pair["tokens"]]
    assert len(different) <= 0.001 * len(java_token_pairs), different


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [  # each answer is the Java tokenizer's, on a line followed by "A man."
        ("A dog, a cat; and: a bird - asleep...", "a dog a cat and a bird asleep"),
        ("The man's dog can't bark", "the man 's dog ca n't bark"),
        ("don\u2019t she wouldn't've", "do n't she would n't 've"),
        ("cannot gonna 'tis y'all", "can not gon na 't is y' all"),
        ("rock 'n' roll 'em o'clock", "rock 'n' roll 'em o'clock"),
        ("(a dog) [b] {c}", "-lrb- a dog -rrb- -lsb- b -rsb- -lcb- c -rcb-"),
        ("St. John on 5th Ave.", "st. john on 5th ave."),
        ("the no. 5 bus has no.", "the no. 5 bus has no"),
        ("12th Ave S.", "12th ave s"),
        ("where am I. A dog", "where am i a dog"),
        ("the end of U.S.", "the end of u.s."),
        ("at 10:45am or 3:45 p.m.", "at 10:45 am or 3:45 p.m."),
        ("1,000 cats, 3.5 dogs, 24/7", "1,000 cats 3.5 dogs 24/7"),
        ("1\u00bd cups for \u00a35 or 5\u20ac", "1 1/2 cups for # 5 or 5 $"),
        ("add 1 1/2 cup of 3/4 milk", "add 1\u00a01/2 cup of 3/4 milk"),
        ("10-year-old and/or an old- man", "10-year-old and/or an old man"),
        ("what?! wow!!! hi!", "what ?! wow !!! hi"),
        ("black &amp; white&red", "black & white & red"),
        ("see www.x.com, or me@x.com", "see www.x.com or me@x.com"),
        ("#tag @home #1", "#tag @home # 1"),
        ("smile :) \U0001f600 \u2764\ufe0f", "smile :-rrb- \u2764"),
        ("zero\u200bwidth sof\u00adt \ufeffmark", "zero width soft mark"),
        ("a\tb\r\nc\u2028d\u00a0e", "a b c d e"),
    ],
)
def test_rules_of_the_java_tokenizer(caption, tokens):
    assert ptb_tokenize(caption) == tokens.split(" ")


@pytest.mark.parametrize("caption", ["", "   ", " . ", "...", "'' -- !", "\U0001f600"])
def test_a_caption_without_words_has_no_tokens(caption):
    assert ptb_tokenize(caption) == []


@given(CAPTIONS)
@example("\u0130stanbul \u03a3\u03a3. \ud800 \x00")
def test_any_text_gives_lower_case_tokens_without_punctuation_or_white_space(caption):
    for token in ptb_tokenize(caption):
        assert token
        assert token == token.lower()
        assert token not in PUNCTUATION
        assert "\u00a0" in token or token.split() == [token]


@given(
    st.lists(st.text(string.ascii_lowercase, min_size=8, max_size=9)), st.sampled_from([" ", ", ", "  ", "; ", " - "])
)
def test_plain_words_are_kept_whole(words, separator):
    assert ptb_tokenize(separator.join(words).capitalize() + ".") == words


@pytest.mark.timeout(20)  # in linear time each takes a second at most, in quadratic time half a minute or more
@pytest.mark.parametrize("piece", ["+", "'s", "' ", "no. ' ", "1/", "1 ", "a.", "I. ", "a-", "<a", "a@", "www."])
def test_the_time_for_endless_repetitions_is_bounded(piece):
    ptb_tokenize("a" + piece * 200_000 + "!@")
