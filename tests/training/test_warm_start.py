import json

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from lrcn_hub.training.warm_start import warm_start


def words(*vocabulary):
    model = models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token=vocabulary[0])
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model))


def bert(vocabulary=6, hidden=8, layers=1):
    return BertForMaskedLM(
        BertConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=8,
            max_position_embeddings=8,
            pad_token_id=0,
        )
    )


def test_matching_weights_are_taken_and_all_are_accounted_for(tmp_path):
    source, model = bert(layers=2), bert()
    source.save_pretrained(tmp_path)
    result = warm_start(model, None, tmp_path)
    theirs = source.state_dict()
    assert all(torch.equal(model.state_dict()[name], theirs[name]) for name in result.loaded)
    assert result.loaded and result.skipped
    assert all(".layer.1." in name for name in result.skipped)
    assert not result.mismatched
    assert set(result.fresh).isdisjoint(result.loaded)


def test_a_shape_that_differs_is_listed_and_left(tmp_path, caplog):
    model = bert()
    before = model.bert.embeddings.position_embeddings.weight.detach().clone()
    state = {"bert.embeddings.position_embeddings.weight": torch.zeros(5, 8), "cls.predictions.bias": torch.ones(6)}
    save_file(state, tmp_path / "w.safetensors")
    result = warm_start(model, None, tmp_path / "w.safetensors")
    assert result.mismatched == {"bert.embeddings.position_embeddings.weight": ((5, 8), (8, 8))}
    assert result.loaded == ["cls.predictions.bias"]
    assert torch.equal(model.bert.embeddings.position_embeddings.weight, before)
    assert "mismatched bert.embeddings.position_embeddings.weight: (5, 8) there, (8, 8) in the model" in caplog.text


def test_nothing_that_matches_is_an_error(tmp_path):
    save_file({"other.weight": torch.ones(2)}, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"no weight matches.*other.weight"):
        warm_start(bert(), None, tmp_path / "w.safetensors")
    with pytest.raises(FileNotFoundError, match=r"no model.safetensors"):
        warm_start(bert(), None, tmp_path / "nowhere")


def test_a_vocabulary_of_another_size_is_named_and_can_be_left_out(tmp_path):
    bert(vocabulary=9).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"vocabulary has 9 words, the model's 6 .*--init_skip") as error:
        warm_start(bert(), None, tmp_path)
    patterns = str(error.value).split("--init_skip ")[1].split()
    result = warm_start(bert(), None, tmp_path, patterns)
    assert result.loaded and not result.mismatched


def test_other_words_under_the_same_numbers_are_refused(tmp_path):
    bert().save_pretrained(tmp_path)
    words("a", "b", "c", "d", "e", "f").save_pretrained(tmp_path)
    assert warm_start(bert(), words("a", "b", "c", "d", "e", "f"), tmp_path).loaded
    with pytest.raises(ValueError, match="word 3 of its vocabulary is 'd', the model's is 'x'"):
        warm_start(bert(), words("a", "b", "c", "x", "e", "f"), tmp_path)


def test_sharded_weights_are_found(tmp_path):
    source, model = bert(), bert()
    source.save_pretrained(tmp_path, max_shard_size="1KB")
    assert not (tmp_path / "model.safetensors").exists()
    assert warm_start(model, None, tmp_path).loaded
    assert torch.equal(model.cls.predictions.bias, source.cls.predictions.bias)


@pytest.mark.parametrize("name", ["../outside.safetensors", "pytorch_model.bin"])
def test_an_index_may_not_lead_outside_the_folder_or_to_pickles(name, tmp_path):
    (tmp_path / "model").mkdir()
    save_file({"cls.predictions.bias": torch.ones(6)}, tmp_path / "outside.safetensors")
    index = {"metadata": {}, "weight_map": {"cls.predictions.bias": name}}
    (tmp_path / "model/model.safetensors.index.json").write_text(json.dumps(index))
    model = bert()
    before = model.cls.predictions.bias.clone()
    with pytest.raises(ValueError, match=rf"init_from {tmp_path}/model/.*its index names '{name}'"):
        warm_start(model, None, tmp_path / "model")
    assert torch.equal(model.cls.predictions.bias, before)


def test_a_link_out_of_the_folder_and_a_folder_of_pickles_are_refused(tmp_path):
    save_file({"cls.predictions.bias": torch.ones(6)}, tmp_path / "outside.safetensors")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.safetensors").symlink_to("../outside.safetensors")
    with pytest.raises(ValueError, match=r"init_from .*model.safetensors is a link to .*outside.safetensors"):
        warm_start(bert(), None, tmp_path / "model")
    (tmp_path / "model/model.safetensors").rename(tmp_path / "model/model.bin")
    with pytest.raises(ValueError, match=r"init_from .*model.bin: only safetensors are loaded"):
        warm_start(bert(), None, tmp_path / "model")
