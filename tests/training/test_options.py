import pytest
import torch

from lrcn_hub.training.options import TrainingOptions


def test_stock_names_are_checked_and_ours_are_kept(tmp_path):
    options = TrainingOptions(output_dir=str(tmp_path), optim="caffe_sgd", lr_scheduler_type="step", lr_step_size=3)
    assert (options.optim, options.lr_scheduler_type, options.max_grad_norm) == ("caffe_sgd", "step", 0.0)
    with pytest.raises(ValueError, match="sgdd"):
        TrainingOptions(output_dir=str(tmp_path), optim="sgdd")


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"lr_scheduler_type": "step"}, "set lr_step_size"),
        ({"clip_gradients": 1.0}, "belongs to optim caffe_sgd"),
        ({"save_total_limit": 1}, "keep at least 2"),
        ({"early_stopping_patience": 1, "load_best_model_at_end": False}, "needs load_best_model_at_end"),
    ],
)
def test_values_that_do_not_fit_together_are_refused(tmp_path, values, complaint):
    with pytest.raises(ValueError, match=complaint):
        TrainingOptions(output_dir=str(tmp_path), **values)


def test_the_task_and_not_the_loss_decides_what_is_best(tmp_path):
    options = TrainingOptions(output_dir=str(tmp_path))
    assert options.load_best_model_at_end
    assert (options.metric_for_best_model, options.greater_is_better) == (None, None)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator")
def test_without_an_accelerator_bf16_is_computed_on_the_cpu(tmp_path):
    options = TrainingOptions(output_dir=str(tmp_path), bf16=True)
    assert (options.device.type, options.mixed_precision, options.dataloader_pin_memory) == ("cpu", "bf16", False)
