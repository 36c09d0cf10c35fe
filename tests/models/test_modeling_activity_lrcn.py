"""The recogniser: Caffe's numbers, masks, carried state, loss, and the way through files."""

import math

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoModelForVideoClassification, TimmWrapperConfig

from lrcn_hub.models import CaffeNetConfig, LrcnForVideoClassification
from lrcn_hub.models.modeling_activity_lrcn import late_fusion

RESNET = {
    "backbone_config": TimmWrapperConfig(architecture="test_resnet", num_classes=0),
    "feature": "pooled",
    "feature_size": 96,
}
LABELS = torch.tensor([3, 0, 4])


# Against Caffe


def test_features_states_and_probabilities_equal_caffes_with_restarts(golden_recogniser, assert_close_to_golden):
    model, frames, values = golden_recogniser
    features = model.encode(frames)
    assert_close_to_golden(features.transpose(0, 1).flatten(0, 1), values["out/fc6"])
    hidden, _ = model.recurrent(features, continues=values["in/cont"].transpose(0, 1).float())
    assert_close_to_golden(hidden.transpose(0, 1), values["out/lstm1"])
    output = model(frames, continues=values["in/cont"].transpose(0, 1))
    assert_close_to_golden(output.frame_logits.transpose(0, 1), values["out/fc8-final"])
    assert_close_to_golden(output.frame_logits.softmax(-1).transpose(0, 1), values["out/probs"])
    assert_close_to_golden(output.logits.softmax(-1), values["out/probs"].mean(0))


def test_without_the_marker_the_golden_is_missed(golden_recogniser):
    model, frames, values = golden_recogniser
    wrong = model(frames).frame_logits.transpose(0, 1) - values["out/fc8-final"]
    assert wrong[:, 0].abs().max() < 1e-5  # the video that goes on
    assert wrong[2:, 1].abs().max() > 1e-3


def test_the_hybrid_is_the_authors_network(clips, assert_close_to_golden):
    """Against a short one of its own: the layers of the release, with pooling that rounds up."""
    config = CaffeNetConfig.hybrid(channels=(4, 6, 8, 8, 6), fc_sizes=(10,))
    model = LrcnForVideoClassification.config_class(backbone_config=config, feature_size=10, hidden_size=3)
    backbone = LrcnForVideoClassification(model).eval().encoder.backbone
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.uniform_(-0.3, 0.3)

    def pool(x):  # filled up with nothing to a size that pooling without rounding counts whole
        more = -(x.shape[-1] - 3) % 2
        return F.max_pool2d(F.pad(x, (0, more, 0, more), value=-math.inf), 3, 2)

    def conv(x, layer, stride=1, padding=0, groups=1):
        return F.relu(F.conv2d(x, layer.weight, layer.bias, stride, padding, 1, groups))

    frames = 5 * clips(2, 1, side=227)[:, 0]
    x = conv(frames, backbone.conv1, stride=2)
    sides = [x.shape[-1]]
    x = F.local_response_norm(pool(x), 5, 1e-4, 0.75, 1)
    sides.append(x.shape[-1])
    x = conv(x, backbone.conv2, stride=2, groups=2)
    sides.append(x.shape[-1])
    x = F.local_response_norm(pool(x), 5, 1e-4, 0.75, 1)
    sides.append(x.shape[-1])
    x = conv(conv(x, backbone.conv3, padding=1), backbone.conv4, padding=1, groups=2)
    x = pool(conv(x, backbone.conv5, padding=1, groups=2))
    assert [*sides, x.shape[-1]] == [111, 55, 26, 13, 6]
    assert_close_to_golden(backbone(frames), F.relu(backbone.fc6(x.flatten(1))))


# Masks


def ragged(clips, lengths, most):
    """Clips of other lengths in one batch, filled up with what must not be looked at."""
    batch = torch.full((len(lengths), most, 3, 67, 67), math.nan)
    mask = torch.zeros(len(lengths), most, dtype=torch.bool)
    alone = [clips(1, length, seed=k) for k, length in enumerate(lengths)]
    for k, clip in enumerate(alone):
        batch[k, : clip.shape[1]] = clip[0]
        mask[k, : clip.shape[1]] = True
    return batch, mask, alone


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "cell": "rnn"}, {"num_layers": 0}], ids=str)
@torch.no_grad()
def test_clips_of_other_lengths_in_one_batch_give_what_they_give_alone(options, tiny_recogniser, clips):
    model = tiny_recogniser(**options)
    batch, mask, alone = ragged(clips, [3, 6, 1], most=7)
    together = model(batch, mask, labels=LABELS)
    losses = 0
    for k, clip in enumerate(alone):
        own = model(clip, labels=LABELS[k : k + 1])
        length = clip.shape[1]
        torch.testing.assert_close(together.logits[k], own.logits[0], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(together.frame_logits[k, :length], own.frame_logits[0], rtol=1e-6, atol=1e-6)
        for part in ("hidden", "cell"):
            for ours, theirs in zip(getattr(together.state, part), getattr(own.state, part), strict=True):
                torch.testing.assert_close(ours[k], theirs[0], rtol=1e-6, atol=1e-6)
        losses += own.loss * length
    torch.testing.assert_close(together.loss, losses / mask.sum())


@torch.no_grad()
def test_frames_left_out_anywhere_are_as_if_they_were_not_there(tiny_recogniser, clips):
    model, clip = tiny_recogniser(), clips(1, 4)
    holes = torch.full((1, 7, 3, 67, 67), math.nan)
    mask = torch.tensor([[False, True, True, False, True, True, False]])
    holes[mask] = clip[0]
    ours, theirs = model(holes, mask), model(clip)
    torch.testing.assert_close(ours.frame_logits[mask], theirs.frame_logits[0])
    torch.testing.assert_close(ours.logits, theirs.logits)
    marked = torch.ones(1, 7)
    marked[0, 3] = 0  # a marker on a frame that is left out
    torch.testing.assert_close(model(holes, mask, continues=marked).logits, theirs.logits)


def test_what_is_left_out_has_no_gradient(tiny_recogniser, clips):
    model = tiny_recogniser()
    batch, mask, _ = ragged(clips, [2, 3, 1], most=3)
    features = model.encode(batch, mask).detach().requires_grad_()
    model(features=features, frame_mask=mask, labels=LABELS).loss.backward()
    assert (features.grad[mask].abs().sum(-1) > 0).all() and (features.grad[~mask] == 0).all()


def test_a_clip_without_frames_keeps_its_state_and_has_uniform_logits(tiny_recogniser, clips):
    model = tiny_recogniser()
    before = model(clips(2, 2)).state
    batch, mask = clips(2, 3), torch.tensor([[True, True, True], [False, False, False]])
    output = model(batch, mask, state=before, labels=LABELS[:2])
    torch.testing.assert_close(output.logits[1].softmax(-1), torch.full((5,), 0.2))
    assert torch.equal(output.state.hidden[0][1], before.hidden[0][1])
    torch.testing.assert_close(output.loss, model(batch[:1], labels=LABELS[:1], state=rows(before, 0)).loss)
    nothing = model(batch, torch.zeros(2, 3, dtype=torch.bool), labels=LABELS[:2])
    (nothing.loss + nothing.logits.softmax(-1).sum()).backward()
    assert nothing.loss == 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def rows(state, row):
    found = state.detach()
    found.hidden = [h[row : row + 1] for h in found.hidden]
    found.cell = [c[row : row + 1] for c in found.cell]
    return found


@pytest.mark.parametrize(
    ("shape", "mask", "said"),
    [
        ((2, 3, 8, 8), None, r"shape \(2, 3, 8, 8\); give frames \(batch, frames, 3"),
        ((2, 3, 3, 67, 67), torch.ones(2, 4, dtype=torch.bool), r"\(2, 4\).*of shape \(2, 3\)"),
        ((2, 3, 3, 67, 67), torch.ones(2, 3), r"torch.float32.*must be torch.bool"),
    ],
)
def test_wrong_shapes_are_refused(shape, mask, said, tiny_recogniser):
    with pytest.raises(ValueError, match=said):
        tiny_recogniser()(torch.zeros(shape), mask)


# State


@pytest.mark.parametrize("options", [{}, {"num_layers": 3}, {"cell": "rnn"}, {"num_layers": 0}], ids=str)
@torch.no_grad()
def test_frame_by_frame_and_in_pieces_is_the_same_as_at_once(options, tiny_recogniser, clips):
    model, clip = tiny_recogniser(**options), clips(2, 6)
    whole = model(clip)
    for cuts in ([1] * 6, [4, 2], [1, 5]):
        state, found = None, []
        for piece in clip.split(cuts, dim=1):
            output = model(piece, state=state)
            state = output.state
            found.append(output.frame_logits)
        torch.testing.assert_close(torch.cat(found, dim=1), whole.frame_logits, rtol=0, atol=1e-5)
        assert state.steps == whole.state.steps == 6


def test_the_state_matters(tiny_recogniser, clips):
    model, clip = tiny_recogniser(), clips(1, 4)
    state = model(clips(1, 5, seed=9)).state
    assert (model(clip, state=state).frame_logits - model(clip).frame_logits).abs().max() > 0.01
    assert (model(clip.flip(1)).logits - model(clip).logits).abs().max() > 0.01


def test_a_detached_state_ends_back_propagation_and_changes_no_number(tiny_recogniser, clips):
    model = tiny_recogniser()
    features = model.encode(clips(2, 6)).detach().requires_grad_()
    first = model(features=features[:, :3])
    joined = model(features=features[:, 3:], state=first.state, labels=LABELS[:2])
    cut = model(features=features[:, 3:], state=first.state.detach(), labels=LABELS[:2])
    assert torch.equal(joined.loss, cut.loss)
    (through,) = torch.autograd.grad(joined.loss, features, retain_graph=True)
    (ended,) = torch.autograd.grad(cut.loss, features)
    assert (through[:, :3].abs().sum() > 0) and (ended[:, :3] == 0).all()
    torch.testing.assert_close(through[:, 3:], ended[:, 3:])


def test_the_single_frame_baseline_has_no_recurrent_part_and_no_order(tiny_recogniser, clips):
    model, clip = tiny_recogniser(num_layers=0), clips(2, 4)
    assert not [name for name, _ in model.named_parameters() if name.startswith("recurrent")]
    order = torch.tensor([2, 0, 3, 1])
    ours, theirs = model(clip[:, order]), model(clip)
    torch.testing.assert_close(ours.frame_logits, theirs.frame_logits[:, order])
    torch.testing.assert_close(ours.logits, theirs.logits)
    torch.testing.assert_close(theirs.frame_logits, model.classifier(model.encode(clip)))


# Fusion and loss


def test_the_logits_are_the_mean_of_the_frames_probabilities(tiny_recogniser, clips):
    output = tiny_recogniser()(clips(3, 5))
    mean = output.frame_logits.softmax(-1).mean(1)
    torch.testing.assert_close(output.logits.softmax(-1), mean)
    torch.testing.assert_close(output.logits.exp(), mean)
    mask = torch.tensor([[True, False, True]])
    frame_logits = torch.randn(1, 3, 4)
    torch.testing.assert_close(late_fusion(frame_logits, mask).exp(), frame_logits[:, ::2].softmax(-1).mean(1))


def reference_loss(frame_logits, targets):
    """The mean over frames of -log p(class), one frame at a time; targets (B, T), None where there is no frame."""
    terms = [
        frame_logits[k, t].logsumexp(0) - frame_logits[k, t, label]
        for k, row in enumerate(targets)
        for t, label in enumerate(row)
        if label is not None
    ]
    return torch.stack(terms)


def test_the_loss_and_its_gradients_are_those_of_every_real_frame(tiny_recogniser, clips):
    model = tiny_recogniser()
    batch, mask, _ = ragged(clips, [3, 4, 1], most=4)
    features = model.encode(batch, mask).detach()
    parameters = [*model.recurrent.parameters(), *model.classifier.parameters()]
    output = model(features=features, frame_mask=mask, labels=LABELS)
    ours = torch.autograd.grad(output.loss, parameters)

    cell = torch.nn.LSTMCell(8, 7)  # another way through the same weights
    weights = dict(model.recurrent.layers[0].cell.named_parameters())
    with torch.no_grad():
        cell.bias_hh.zero_()
    terms = []
    for k, length in enumerate([3, 4, 1]):
        h = c = torch.zeros(1, 7)
        for t in range(length):
            values = {name: weights.get(f"{name}_l0", getattr(cell, name)) for name, _ in cell.named_parameters()}
            h, c = torch.func.functional_call(cell, values, (features[k, t : t + 1], (h, c)))
            terms += [reference_loss(model.classifier(h)[None], [[int(LABELS[k])]])]
    expected = torch.cat(terms).mean()
    theirs = torch.autograd.grad(expected, parameters)
    torch.testing.assert_close(output.loss, expected)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_loss_is_divided_by_the_number_of_labels_given(tiny_recogniser, clips):
    model = tiny_recogniser()
    batch, mask, alone = ragged(clips, [3, 4, 1], most=4)
    own = [model(clip, labels=LABELS[k : k + 1]).loss for k, clip in enumerate(alone)]  # means over their frames
    torch.testing.assert_close(model(batch, mask, LABELS, num_items_in_batch=12).loss, sum(own) / 12)
    each = LABELS[:, None].expand(3, 4).masked_fill(~mask, -100)
    sums = sum(loss * length for loss, length in zip(own, [3, 4, 1], strict=True))
    torch.testing.assert_close(model(batch, mask, each, num_items_in_batch=torch.tensor(20)).loss, sums / 20)
    torch.testing.assert_close(model(batch, mask, each).loss, model(batch, mask, LABELS).loss)
    equal = clips(3, 4)
    torch.testing.assert_close(
        model(equal, labels=LABELS, num_items_in_batch=3).loss, model(equal, labels=LABELS).loss
    )


def test_frames_may_have_labels_of_their_own_or_none(tiny_recogniser, clips):
    model, clip = tiny_recogniser(), clips(2, 3)
    output = model(clip, labels=torch.tensor([[1, -100, 2], [-100, -100, 4]]))
    expected = reference_loss(output.frame_logits, [[1, None, 2], [None, None, 4]]).mean()
    torch.testing.assert_close(output.loss, expected)


# Dropout and what is trained


def test_the_features_dropout_takes_the_place_of_caffenets_own(tiny_recogniser, clips):
    clip = clips(1, 3)
    without = tiny_recogniser(feature_dropout=0.0, lstm_dropout=0.0)
    expected = without(clip).frame_logits
    assert torch.equal(without.train()(clip).frame_logits, expected)  # CaffeNet's would be 0.5
    fc7 = tiny_recogniser(feature="fc7", feature_dropout=0.0, lstm_dropout=0.0)
    expected = fc7(clip).frame_logits
    assert not torch.allclose(fc7.train()(clip).frame_logits, expected)  # between fc6 and fc7 it is CaffeNet's
    with_both = tiny_recogniser(feature_dropout=0.9, lstm_dropout=0.5)
    seen = []
    with_both.recurrent.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    features = torch.ones(100, 10, 8)
    with_both.train()(features=features)
    assert (seen[0] == 0).float().mean().item() == pytest.approx(0.9, abs=0.02)
    assert sorted(set(seen[0].flatten().tolist())) == pytest.approx([0, 10])
    assert torch.equal(with_both.eval()(features=features).logits, tiny_recogniser()(features=features).logits)


def test_new_weights_have_the_authors_fillers():
    torch.manual_seed(0)
    config = LrcnForVideoClassification.config_class(
        backbone_config=CaffeNetConfig(channels=[2] * 5, fc_sizes=[64], image_size=67), feature_size=64, num_labels=101
    )
    model = LrcnForVideoClassification(config)
    lstm = model.recurrent.layers[0].cell
    for weight in (lstm.weight_ih_l0, lstm.weight_hh_l0):
        assert 0.0099 < weight.abs().max() <= 0.01  # uniform
    assert model.classifier.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert model.classifier.weight.abs().max() > 0.03  # normal
    assert (lstm.bias_ih_l0 == 0).all() and (model.classifier.bias == 0).all()


@pytest.mark.parametrize(("part", "trained"), [("frozen", 0), ("last-layer", 2), ("whole", None)])
def test_the_part_of_the_backbone_that_is_trained_can_be_chosen(part, trained, tiny_recogniser, clips):
    model = tiny_recogniser()
    model.encoder.train_backbone(part)
    model.train()(clips(2, 2), labels=LABELS[:2]).loss.backward()
    changed = [name for name, p in model.encoder.named_parameters() if p.grad is not None]
    assert len(changed) == (12 if trained is None else trained)
    assert model.classifier.weight.grad is not None and model.recurrent.layers[0].cell.weight_hh_l0.grad is not None


def test_a_frozen_backbone_keeps_its_statistics(tiny_recogniser, clips):
    model = tiny_recogniser(**RESNET)
    before = {name: buffer.clone() for name, buffer in model.encoder.named_buffers()}
    model.encoder.train_backbone("frozen")
    model.train()(clips(2, 2, side=32), labels=LABELS[:2])
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.encoder.named_buffers())


# Features, files, precision


def test_features_made_before_give_what_the_frames_give(tiny_recogniser, clips):
    model = tiny_recogniser()
    batch, mask, _ = ragged(clips, [2, 3], most=3)
    features = model.encode(batch, mask)
    ours, theirs = (model(frame_mask=mask, labels=LABELS[:2], **given) for given in (
        {"features": features}, {"pixel_values": batch}
    ))  # fmt: skip
    assert torch.equal(ours.loss, theirs.loss) and torch.equal(ours.logits, theirs.logits)
    given = tiny_recogniser(backbone_config={"model_type": "lrcn_given_features"})
    assert torch.equal(given(features, mask).logits, ours.logits)


@pytest.mark.parametrize("auto", [AutoModel, AutoModelForVideoClassification, LrcnForVideoClassification])
@pytest.mark.parametrize("options", [{}, RESNET, {"num_layers": 0}], ids=["caffenet", "resnet", "single-frame"])
def test_a_recogniser_comes_back_bit_for_bit(auto, options, tiny_recogniser, clips, tmp_path, logged):
    model = tiny_recogniser(**options)
    model.save_pretrained(tmp_path)
    again, report = auto.from_pretrained(tmp_path, output_loading_info=True)
    assert type(again) is LrcnForVideoClassification and not again.training
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    again.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()
    clip = clips(2, 3)
    assert torch.equal(again(clip).logits, model(clip).logits)
    assert logged == []


@pytest.mark.parametrize("options", [{}, RESNET], ids=["caffenet", "resnet"])
def test_a_recogniser_loads_trains_and_answers_in_half_precision(options, tiny_recogniser, clips, tmp_path):
    model = tiny_recogniser(**options)
    model.save_pretrained(tmp_path)
    half = AutoModelForVideoClassification.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    batch, mask, _ = ragged(clips, [2, 3], most=3)
    ours, theirs = half(batch, mask, LABELS[:2]), model(batch, mask, LABELS[:2])
    assert ours.logits.dtype == torch.float32
    torch.testing.assert_close(ours.logits.softmax(-1), theirs.logits.softmax(-1), rtol=0, atol=0.05)
    marked = torch.tensor([[1, 1, 1], [1, 0, 1]])
    half.train()(batch, mask, LABELS[:2], continues=marked, state=ours.state.detach()).loss.backward()
    assert all(p.grad.isfinite().all() for p in half.parameters())
