"""The captioner: its parts, its loss, its gradients, its copies."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from lrcn_hub.models import LrcnCaptioningConfig, LrcnForImageCaptioning
from lrcn_hub.models.modeling_lrcn import sentence_loss


@pytest.mark.parametrize(("wiring", "count"), [("1u", 29_614_801), ("2u", 37_618_801), ("2f", 37_618_801)])
def test_the_language_part_has_the_authors_number_of_parameters(wiring, count):
    with torch.device("meta"):
        model = LrcnForImageCaptioning(LrcnCaptioningConfig(wiring=wiring))
    assert sum(p.numel() for name, p in model.named_parameters() if not name.startswith("encoder.")) == count


def test_new_weights_are_uniform_and_biases_zero(tiny_captioner):
    for cell in ("lstm", "rnn"):
        config = tiny_captioner(cell=cell, hidden_size=64, embedding_size=64, vocab_size=50).config
        model = LrcnForImageCaptioning(config)
        for name, weights in [*model.named_parameters(), *model.named_buffers()]:
            if name.startswith("encoder."):
                continue
            if "bias" in name:
                assert not weights.any(), name
            else:
                assert 0.9 * 0.08 < weights.abs().max() <= 0.08, name
                assert weights.std().item() == pytest.approx(0.08 / math.sqrt(3), rel=0.1), name


def test_the_next_words_depend_on_picture_words_and_state(tiny_captioner, features):
    model = tiny_captioner()
    words = torch.tensor([[0, 3, 4], [0, 5, 4], [0, 3, 4]])
    logits = model(encoder_outputs=features(3), decoder_input_ids=words).logits
    assert (logits[0] - logits[2]).abs().max() > 0.1  # another picture
    one = features(1)
    logits = model(encoder_outputs=one, decoder_input_ids=words[:2], image_index=torch.tensor([0, 0])).logits
    assert (logits[0, 2] - logits[1, 2]).abs().max() > 0.1  # the same last word, other words before it


def test_labels_are_moved_right_behind_the_start_word(tiny_captioner):
    model = tiny_captioner(decoder_start_token_id=8, pad_token_id=7)
    labels = torch.tensor([[2, 3, 0], [4, 0, -100]])
    assert model.prepare_decoder_input_ids_from_labels(labels).tolist() == [[8, 2, 3], [8, 4, 0]]
    labels = torch.tensor([[4, 0, -100, -100]])
    assert model.prepare_decoder_input_ids_from_labels(labels).tolist() == [[8, 4, 0, 7]]


def test_the_loss_is_the_mean_over_targets_or_a_sum_over_the_given_number(tiny_captioner, pictures):
    model = tiny_captioner()
    labels = torch.tensor([[2, 3, 0], [4, 0, -100]])
    outputs = model(pictures(2), labels=labels)
    log_p = outputs.logits.log_softmax(-1)
    total = -sum(log_p[row, t, word] for row, t, word in ((0, 0, 2), (0, 1, 3), (0, 2, 0), (1, 0, 4), (1, 1, 0)))
    assert outputs.loss.item() == pytest.approx(total.item() / 5, rel=1e-6)
    for number in (20, torch.tensor(20)):
        loss = model(pictures(2), labels=labels, num_items_in_batch=number).loss
        assert loss.item() == pytest.approx(total.item() / 20, rel=1e-6)


def test_what_follows_the_last_target_changes_nothing(tiny_captioner, pictures):
    model = tiny_captioner()
    short = model(pictures(1), labels=torch.tensor([[2, 3, 0]])).loss
    long = model(pictures(1), labels=torch.tensor([[2, 3, 0, -100, -100]])).loss
    assert long.item() == pytest.approx(short.item())


def test_a_batch_without_targets_has_loss_zero():
    logits = torch.randn(2, 3, 5, requires_grad=True)
    loss = sentence_loss(logits, torch.full((2, 3), -100))
    loss.backward()
    assert loss == 0 and not logits.grad.any()


def test_the_loss_of_half_precision_logits_is_computed_in_full():
    logits, labels = 20 * torch.randn(2, 3, 50), torch.randint(0, 50, (2, 3))
    half = logits.bfloat16()
    assert sentence_loss(half, labels) == F.cross_entropy(half.float().flatten(0, 1), labels.flatten())


def test_captions_of_one_picture_share_one_pass_through_the_backbone(tiny_captioner, pictures):
    model = tiny_captioner()
    index, labels = torch.tensor([1, 0, 1]), torch.randint(0, 9, (3, 4))
    sizes = []
    model.encoder.backbone.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    shared = model(pictures(2), labels=labels, image_index=index)
    repeated = model(pictures(2)[index], labels=labels)
    assert sizes == [2, 3]
    torch.testing.assert_close(shared.logits, repeated.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(shared.loss, repeated.loss)


def test_more_sentences_than_pictures_need_to_say_which(tiny_captioner, pictures):
    with pytest.raises(ValueError, match=r"3 sentences but 2 pictures: give image_index"):
        tiny_captioner()(pictures(2), labels=torch.zeros(3, 4, dtype=torch.long))


def test_a_captioner_without_words_says_what_is_missing(tiny_captioner, pictures):
    with pytest.raises(ValueError, match="decoder_input_ids or labels"):
        tiny_captioner()(pictures(2))


def test_dropouts_act_in_training_only(tiny_captioner, features):
    words = torch.randint(0, 9, (1, 6))
    for name in ("embedding_dropout", "lstm_dropout"):
        model = tiny_captioner(**{name: 0.5})
        one, two = (model(encoder_outputs=features(1), decoder_input_ids=words).logits for _ in range(2))
        torch.testing.assert_close(one, two)
        model.train()
        one, two = (model(encoder_outputs=features(1), decoder_input_ids=words).logits for _ in range(2))
        assert not torch.equal(one, two)


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
@pytest.mark.parametrize("wiring", ["1u", "2u", "2f", "4f"])
def test_gradients_reach_every_parameter(wiring, cell, tiny_captioner, pictures):
    model = tiny_captioner(wiring=wiring, cell=cell).train()
    model(pictures(4), labels=torch.randint(0, 9, (4, 12))).loss.backward()
    for name, weights in model.named_parameters():
        assert weights.grad is not None and weights.grad.any(), name


@pytest.mark.parametrize("length", [1, 5])
@pytest.mark.parametrize("wiring", ["1u", "2f", "4f"])
def test_training_under_bfloat16_autocast_follows_full_precision(wiring, cell, length, tiny_captioner, pictures):
    model = tiny_captioner(wiring=wiring, cell=cell).train()
    model.encoder.backbone.config.dropout = 0.0
    labels = torch.randint(0, 9, (4, length), generator=torch.Generator().manual_seed(2))
    model(pictures(4), labels=labels).loss.backward()
    exact = torch.cat([p.grad.flatten() for p in model.parameters()])
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = model(pictures(4), labels=labels)
    outputs.loss.backward()
    rough = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert outputs.logits.dtype == torch.bfloat16 and outputs.loss.dtype == torch.float32
    assert torch.isfinite(rough).all()
    assert F.cosine_similarity(exact, rough, dim=0) > 0.98


def test_torchs_second_bias_stays_zero_in_training_also_after_loading(cell, tiny_captioner, pictures, tmp_path):
    tiny_captioner(cell=cell).save_pretrained(tmp_path)
    for model in (tiny_captioner(cell=cell), LrcnForImageCaptioning.from_pretrained(tmp_path)):
        model.train().requires_grad_(True)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        before = model.decoder.layers[1].cell.bias_ih_l0.clone()
        for _ in range(3):
            optimizer.zero_grad()
            model(pictures(2), labels=torch.randint(0, 9, (2, 5))).loss.backward()
            optimizer.step()
        for layer in model.decoder.layers:
            assert not layer.cell.bias_hh_l0.any() and layer.cell.bias_hh_l0.grad is None
        assert not torch.equal(model.decoder.layers[1].cell.bias_ih_l0, before)
        model.eval()  # the fused kernel knows the trained weights
        steps, words, state = [], torch.randint(0, 9, (1, 4)), None
        for t in range(4):
            output = model(pictures(1), words[:, t : t + 1], past_key_values=state)
            steps, state = [*steps, output.logits], output.past_key_values
        torch.testing.assert_close(torch.cat(steps, dim=1), model(pictures(1), words).logits, atol=1e-5, rtol=0)


def test_a_deep_copy_is_a_model_of_its_own(tiny_captioner, pictures):
    model = tiny_captioner()
    twin = copy.deepcopy(model)
    words = torch.randint(0, 9, (2, 5))
    before = model(pictures(2), words).logits
    torch.testing.assert_close(twin(pictures(2), words).logits, before)
    with torch.no_grad():
        for weights in twin.parameters():
            weights.add_(0.1)
    torch.testing.assert_close(model(pictures(2), words).logits, before)
    assert (twin(pictures(2), words).logits - before).abs().max() > 0.01


def test_a_backbone_with_another_number_of_values_is_refused(tiny_captioner, pictures):
    model = tiny_captioner(feature_size=6)
    with pytest.raises(ValueError, match=r"gives 5 values of 'fc8'.*\(67, 67\).*feature_size=6"):
        model(pictures(1), torch.zeros(1, 1, dtype=torch.long))
