"""The ``training`` section of a recipe: the stock arguments of the Hugging Face trainer, and what we add to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from transformers import Seq2SeqTrainingArguments


@dataclass
class TrainingOptions(Seq2SeqTrainingArguments):
    """How a model is optimised, and when it is judged, logged and saved.

    All arguments of `transformers.Seq2SeqTrainingArguments` are options, but those at the end, which are decided here.
    Creating it chooses the device and joins the other processes of the run.

    Raises ValueError if values do not fit together.
    """

    objective: str | None = None
    """The training loss, one of the task's objectives; none: its first. Its options, if it has any, are the section
    objective."""
    loss_normalization: Literal["step", "batch"] = "step"
    """What a loss is divided by: all targets of an optimiser step, over processes and accumulated batches ('step':
    the gradient does not depend on how the step was cut up), or each batch by its own and then their mean, as Caffe
    does ('batch')."""
    init_from: str | None = None
    """Folder or safetensors file to take weights from, wherever name and shape match."""
    init_skip: list[str] = field(default_factory=list)
    """Patterns of weight names that are not taken from init_from, such as 'embed*'."""
    optim: str = "adamw_torch_fused"
    """A stock optimizer by its name, or 'caffe_sgd': stochastic gradient descent exactly as Caffe computes it."""
    momentum: float = 0.9
    """Momentum of caffe_sgd."""
    clip_gradients: float | None = None
    """Caffe's clipping, for caffe_sgd, which max_grad_norm does not touch: the largest L2 norm of the gradient summed
    over accumulated batches, before that is divided by their number."""
    lr_scheduler_type: str = "linear"
    """A stock schedule by its name, or 'step': the rate times lr_gamma after every lr_step_size steps."""
    lr_step_size: int | None = None
    """Optimiser steps between two changes of the rate, for the schedule 'step'."""
    lr_gamma: float = 0.5
    """Factor of each change of the rate, for the schedule 'step'."""
    cache_features: bool = False
    """Compute what a frozen backbone sees once, keep it in feature_folder, and train and judge on that."""
    feature_folder: str = "data/features"
    """Where features are kept once they are computed."""
    eval_rows: int | None = None
    """Rows of the validation table that are judged during training, from its beginning; none: all."""
    early_stopping_patience: int | None = None
    """Evaluations in a row without a better metric after which training stops; none: never."""
    early_stopping_threshold: float = 0.0
    """By how much a metric must be better to count as better, for early stopping."""
    final_splits: list[str] = field(default_factory=lambda: ["validation", "test"])
    """Splits judged, where they exist, when training has ended."""
    overwrite_output_dir: bool = False
    """Begin anew where output_dir holds a different run, whose checkpoints are deleted, or files that are no run."""

    push_to_hub: bool = False
    """Push the exported model to the Hub when training has ended, as `lrcn push` does."""
    hub_model_id: str | None = None
    """The repository to push to, user/name; made, empty, before training begins."""
    hub_private_repo: bool | None = None
    """Make that repository one which only its owner can see."""
    hub_revision: str | None = None
    """The branch to push to; none: main."""

    # Other defaults than the stock ones.
    seed: int = 1701  # the seed in the authors' solver files
    eval_strategy: str = "steps"
    eval_steps: float | None = 500
    save_strategy: str = "steps"
    save_steps: float = 500
    save_total_limit: int | None = 2
    load_best_model_at_end: bool = True
    logging_steps: float = 50
    per_device_eval_batch_size: int = 32
    ddp_find_unused_parameters: bool | None = False
    report_to: str | list[str] | None = "none"
    use_cpu: bool = False
    data_seed: int | None = None
    dataloader_pin_memory: bool = True
    metric_for_best_model: str | None = None
    """The metric that decides which checkpoint is best; none: the task's."""
    greater_is_better: bool | None = None
    """Whether more of it is better; none: as the task says of its own, else by the metric's name."""

    # Decided, and so no options: what a run does relies on these.
    remove_unused_columns: bool = field(default=False, init=False)  # the collator sees whole rows
    predict_with_generate: bool = field(default=False, init=False)  # `Task.predict` answers instead
    prediction_loss_only: bool = field(default=False, init=False)
    batch_eval_metrics: bool = field(default=False, init=False)
    eval_use_gather_object: bool = field(default=False, init=False)
    eval_on_start: bool = field(default=False, init=False)
    # How to generate is the business of the evaluation section.
    generation_max_length: int | None = field(default=None, init=False)
    generation_num_beams: int | None = field(default=None, init=False)
    generation_config: Any = field(default=None, init=False)
    # It would act on the stock loss, in whose place objectives are.
    label_smoothing_factor: float = field(default=0.0, init=False)
    label_names: list[str] | None = field(default=None, init=False)
    average_tokens_across_devices: bool = field(default=True, init=False)
    train_sampling_strategy: str = field(default="random", init=False)  # the order is a function of seed and epoch
    sortish_sampler: bool = field(default=False, init=False)
    length_column_name: str = field(default="length", init=False)
    auto_find_batch_size: bool = field(default=False, init=False)  # a resumed run must take the same steps
    save_only_model: bool = field(default=False, init=False)
    save_on_each_node: bool = field(default=False, init=False)
    enable_jit_checkpoint: bool = field(default=False, init=False)
    # Such as how long early stopping has waited.
    restore_callback_states_from_checkpoint: bool = field(default=True, init=False)
    resume_from_checkpoint: str | None = field(default=None, init=False)  # the same command resumes
    use_cache: bool = field(default=True, init=False)  # the stock trainer would write it into the model's config
    parallelism_config: Any = field(default=None, init=False)
    do_train: bool = field(default=True, init=False)
    do_eval: bool = field(default=True, init=False)
    do_predict: bool = field(default=False, init=False)
    local_rank: int = field(default=-1, init=False)
    hub_strategy: str = field(default="end", init=False)  # only a finished model is pushed
    hub_always_push: bool = field(default=False, init=False)
    hub_token: str | None = field(default=None, init=False)  # recipes are published; a token comes from HF_TOKEN

    def __post_init__(self) -> None:
        self._check()
        optim, schedule = self.optim, self.lr_scheduler_type
        best = self.metric_for_best_model, self.greater_is_better
        # The stock class knows neither of ours: it is shown a stock name meanwhile.
        if optim == "caffe_sgd":
            self.optim, self.max_grad_norm = "sgd", 0.0
        if schedule == "step":
            self.lr_scheduler_type = "constant_with_warmup"
        # said outright, since the stock class wants a GPU for bf16 otherwise
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        super().__post_init__()
        if optim == "caffe_sgd":
            self.optim = optim
        if schedule == "step":
            self.lr_scheduler_type = schedule
        if best[0] is None:  # the task is asked, instead of taking the loss
            self.metric_for_best_model, self.greater_is_better = best
        self.data_seed = self.seed if self.data_seed is None else self.data_seed
        self.dataloader_pin_memory = self.dataloader_pin_memory and self.device.type != "cpu"

    def _check(self) -> None:
        if self.lr_scheduler_type == "step" and not self.lr_step_size:
            raise ValueError(
                "lr_scheduler_type is 'step': set lr_step_size, the steps between two changes of the rate"
            )
        if self.clip_gradients is not None and self.optim != "caffe_sgd":
            raise ValueError(f"clip_gradients belongs to optim caffe_sgd; for {self.optim} set max_grad_norm")
        if self.save_total_limit is not None and self.save_total_limit < 2:
            raise ValueError(f"save_total_limit is {self.save_total_limit}: keep at least 2, the last and the best")
        if self.early_stopping_patience is not None and not self.load_best_model_at_end:
            raise ValueError("early_stopping_patience needs load_best_model_at_end, which finds the best metric")
        if self.push_to_hub and not self.hub_model_id:
            raise ValueError("push_to_hub needs hub_model_id, the repository to push to: user/name")
