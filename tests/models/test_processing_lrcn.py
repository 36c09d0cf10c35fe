"""Pictures and words in, tensors out; and ids back to words."""

from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from lrcn_hub.data.moving_shapes import describe_events, random_events, read_events
from lrcn_hub.data.text import build_word_tokenizer, split_words
from lrcn_hub.models import LrcnCaptioningProcessor, LrcnImageProcessor
from lrcn_hub.models.images_lrcn import UnreadableImageError
from lrcn_hub.models.processing_lrcn import as_written
from lrcn_hub.scoring.ptb_tokenizer import ptb_tokenize

WORDS = ["a", "red", "square", "left", "of", "circle"]  # ids 2, 3, ...; 0 <EOS>, 1 <unk>


@pytest.fixture(scope="module")
def processor():
    side = {"height": 32, "width": 32}
    return LrcnCaptioningProcessor(LrcnImageProcessor(size=side, crop_size=side), build_word_tokenizer(WORDS))


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))


def test_labels_end_with_the_end_word_and_are_filled_up_with_minus_100(processor):
    labels = processor.labels(["A red square.", "a circle", "", "a dog"])
    assert labels.tolist() == [
        [2, 3, 4, 0],
        [2, 7, 0, -100],
        [0, -100, -100, -100],
        [2, 1, 0, -100],
    ]
    assert labels.dtype == torch.long


@pytest.mark.parametrize("length", [1, 2, 3, 4, 9])
def test_long_captions_are_cut_and_then_never_end(length, processor):
    row = processor.labels(["a red square"], max_length=length)[0].tolist()
    assert row == [2, 3, 4, 0][:length]


def test_labels_of_a_call_are_those_of_the_method(processor):
    assert torch.equal(processor(text_target=["a red", "a"])["labels"], processor.labels(["a red", "a"]))
    assert torch.equal(processor(text_target="a red")["labels"], processor.labels(["a red"]))


def test_a_prompt_starts_with_the_start_word_and_does_not_end(processor):
    assert processor(text="a Red")["decoder_input_ids"].tolist() == [[0, 2, 3]]
    assert processor(text=["a red", "a dog"])["decoder_input_ids"].tolist() == [[0, 2, 3], [0, 2, 1]]
    assert processor(text="")["decoder_input_ids"].tolist() == [[0]]


def test_prompts_of_unequal_length_are_refused(processor):
    with pytest.raises(ValueError, match="equally many words, but they have 1, 3: split them"):
        processor(text=["a", "a red square"])


def test_a_prompt_starts_with_the_tokenizers_own_start_where_it_has_one():
    tokenizer = build_word_tokenizer(WORDS)
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    processor = LrcnCaptioningProcessor(LrcnImageProcessor(), tokenizer)
    assert processor.start_token_id == 8
    assert processor.prompts(["a"]).tolist() == [[8, 2]]
    tokenizer.bos_token = None
    assert processor.start_token_id == 0


def test_what_is_not_given_is_not_made(processor, picture):
    assert set(processor(picture)) == {"pixel_values"}
    assert set(processor(text="a")) == {"decoder_input_ids"}
    both = processor(picture, text="a", text_target="a red")
    assert set(both) == {"pixel_values", "decoder_input_ids", "labels"}


def test_one_picture_is_a_batch_of_one(processor, picture):
    assert processor(picture)["pixel_values"].shape == (1, 3, 32, 32)
    assert processor([picture, picture])["pixel_values"].shape == (2, 3, 32, 32)
    assert processor((picture,))["pixel_values"].shape == (1, 3, 32, 32)


def test_paths_bytes_pictures_and_arrays_are_the_same(processor, picture, tmp_path):
    file = tmp_path / "picture.png"
    picture.save(file)
    expected = processor(picture)["pixel_values"]
    for given in (str(file), file, file.read_bytes(), np.array(picture), [file], torch.tensor(np.array(picture))):
        assert torch.equal(processor(given)["pixel_values"], expected)


def test_pictures_are_made_upright_rgb_whichever_way_they_come(processor, picture):
    upright = processor(picture)["pixel_values"]
    rotated = picture.transpose(Image.Transpose.ROTATE_90)
    rotated.getexif()[0x0112] = 6  # turn by a quarter to see it upright
    assert torch.equal(processor(rotated)["pixel_values"], upright)
    clear = picture.convert("RGBA")
    clear.putalpha(0)
    white = processor(Image.new("RGB", picture.size, "white"))["pixel_values"]
    assert torch.equal(processor(clear)["pixel_values"], white)
    deep = Image.fromarray(np.full((40, 50), 257 * 100, dtype=np.uint16))
    assert torch.equal(processor(deep)["pixel_values"], processor(Image.new("L", (50, 40), 100))["pixel_values"])


def test_an_unreadable_picture_is_named(processor, tmp_path):
    file = tmp_path / "broken.jpg"
    file.write_bytes(b"\xff\xd8 this is no picture")
    with pytest.raises(UnreadableImageError, match=r"broken\.jpg"):
        processor(file)


def test_ids_become_words_again(processor):
    ids = torch.tensor([[0, 2, 3, 4, 0, 0]])
    assert processor.batch_decode(ids, skip_special_tokens=True) == ["a red square"]
    assert processor.decode(ids[0], skip_special_tokens=True) == "a red square"


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("it grows , then it turns .", "it grows, then it turns."),
        ("stop ...", "stop..."),
        ("a , b", "a, b"),
        ("left ; right : up ! down ?", "left; right: up! down?"),
        ("a t - shirt of . 5 m", "a t - shirt of. 5 m"),
        ("it costs .50 , or ,5", "it costs .50, or ,5"),  # another tokenizer's own words
        (", a", ", a"),
        ("", ""),
    ],
)
def test_punctuation_stands_against_the_word_before_it(said, written):
    assert as_written(said) == as_written(written) == written


def test_the_processor_writes_for_people_and_the_tokenizer_gives_the_words():
    processor = LrcnCaptioningProcessor(LrcnImageProcessor(), build_word_tokenizer([*WORDS, ","]))
    ids = processor.labels(["a red square, left of a circle"])
    written, words = "a red square, left of a circle", "a red square , left of a circle"
    assert processor.decode(ids[0], skip_special_tokens=True) == written
    assert processor.decode(ids, skip_special_tokens=True) == [written]
    assert processor.batch_decode(ids, skip_special_tokens=True) == [written]
    assert processor.tokenizer.batch_decode(ids, skip_special_tokens=True) == [words]


def test_narrated_events_are_written_as_people_wrote_them_and_read_and_scored_the_same():
    draw = Random(0)
    sentences = [one for count in (1, 2, 3) * 8 for one in describe_events(random_events(count, draw), draw)]
    assert any("," in sentence for sentence in sentences)
    for sentence in sentences:
        words = " ".join(split_words(sentence))
        written = as_written(words)
        assert written == sentence.lower()
        assert read_events(written) == read_events(words)
        assert ptb_tokenize(written) == ptb_tokenize(words)


def test_a_saved_processor_does_the_same(processor, picture, tmp_path):
    processor.save_pretrained(tmp_path)
    again = LrcnCaptioningProcessor.from_pretrained(tmp_path)
    one, other = (p(picture, text="a red", text_target="a dog") for p in (processor, again))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert again.start_token_id == processor.start_token_id
