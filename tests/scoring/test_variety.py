import pytest

from lrcn_hub.scoring import caption_variety

MANY = [
    f"a {colour} {what}"
    for colour in ("red", "blue", "green", "white", "pink")
    for what in ("bus", "dog", "cat", "sun")
]


def test_captions_are_the_same_whatever_their_case_and_punctuation():
    found = caption_variety(["A dog.", "a dog", "A cat!", "two, dogs"])
    assert (found.captions, found.different, found.words) == (4, 3 / 4, 5)
    assert (found.commonest, found.commonest_share) == ("a dog", 0.5)
    assert found.vocabulary_used is None and found.copied is None


def test_what_is_copied_from_training_and_how_much_of_its_vocabulary_is_used():
    found = caption_variety(["A dog.", "a red bus", "a zebra", "a dog"], ["a dog", "A red cat", "the bus"])
    assert found.copied == 2 / 4
    assert found.vocabulary_used == 4 / 6  # a, dog, red, bus of a, dog, red, cat, the, bus
    assert caption_variety(["a"], iter(["a"])).copied == 1.0
    assert caption_variety(["a"], []).vocabulary_used == 0.0


def test_different_captions_give_no_alarm():
    assert caption_variety(MANY).alarm() is None
    assert caption_variety([*MANY, *MANY]).alarm() is None


def test_one_caption_for_most_images_gives_an_alarm_with_the_caption():
    found = caption_variety([*MANY[:9], *["a man is standing"] * 11])
    assert found.alarm() == "captions have collapsed: 'a man is standing' is said of 55% of the images"
    assert caption_variety([*MANY[:10], *["a man"] * 10]).alarm() is None


def test_a_handful_of_captions_for_all_images_gives_an_alarm_with_their_share():
    assert caption_variety(MANY[:4] * 25).alarm() == "captions have collapsed: only 4.0% of 100 are different"
    assert caption_variety(MANY[:10] * 10).alarm() is None


def test_of_few_images_nothing_is_said():
    assert caption_variety(["a man"] * 19).alarm() is None
    assert caption_variety(["a man"] * 20).alarm() is not None


def test_captions_without_words_are_captions():
    found = caption_variety(["", "..."])
    assert (found.different, found.words, found.commonest) == (0.5, 0, "")


def test_no_captions_are_refused():
    with pytest.raises(ValueError, match="no captions were given"):
        caption_variety([])
