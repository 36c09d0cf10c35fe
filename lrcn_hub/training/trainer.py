"""The Hugging Face trainer with what a run here needs, blind to the task it trains."""

from __future__ import annotations

import functools
import inspect
import itertools
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import EarlyStoppingCallback, Seq2SeqTrainer, TrainerCallback
from transformers.trainer_callback import ExportableState

from lrcn_hub.plugins import notify
from lrcn_hub.publishing.folders import full_disk_named, partial_folder, remove, without_progress_bars
from lrcn_hub.tasks import Batch, Task
from lrcn_hub.training.best_model import SaveBest, settle_what_is_best
from lrcn_hub.training.caffe_sgd import CaffeSGD
from lrcn_hub.training.checkpoints import STATE, checkpoint_folder, rotate, seal
from lrcn_hub.training.evaluation import evaluate_table
from lrcn_hub.training.examples import EpochSampler, SeededExamples
from lrcn_hub.training.optimization import average_gradients, freeze_all_but, make_caffe_sgd, step_policy, stock_groups
from lrcn_hub.training.recipe import RunOptions

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, ProcessorMixin

logger = logging.getLogger(__name__)


class LrcnTrainer(Seq2SeqTrainer):
    """`Seq2SeqTrainer` that asks a task for loss, groups of parameters, answers and metrics.

    It differs from the stock trainer in that

    - the loss is the recipe's objective, and what it is divided by is exact over processes and accumulated batches;
    - an evaluation judges generated answers, one for each row on any number of processes;
    - the order of rows and their random choices follow from seed, epoch and row (`lrcn_hub.training.examples`);
    - checkpoints are whole or known not to be (`lrcn_hub.training.checkpoints`), and one follows every evaluation
      that is the best so far.
    """

    optimizer: Any
    lr_scheduler: Any
    control: Any

    def __init__(
        self,
        task: Task,
        model: PreTrainedModel,
        processor: ProcessorMixin,
        tables: Mapping[str, Dataset],
        options: RunOptions,
    ) -> None:
        self.task, self.processor, self.options = task, processor, options
        training = options.training
        self.objective = build_objective(task, processor, tables, options)
        settle_what_is_best(training, task, has_validation=len(tables.get("validation", ())) > 0)
        callbacks: list[TrainerCallback] = [SaveBest()]
        use_cache = getattr(model.config, "use_cache", None)
        if training.early_stopping_patience is not None:
            patience, threshold = training.early_stopping_patience, training.early_stopping_threshold
            callbacks.append(EarlyStoppingCallback(patience, threshold))
        super().__init__(
            model=model,
            args=training,
            data_collator=task.collator(processor, options.data, training=True),
            train_dataset=SeededExamples(tables["train"], training.seed),
            eval_dataset=tables.get("validation"),
            callbacks=callbacks,
        )
        if self.args.device.type == "cpu":
            model.to(memory_format=torch.channels_last)  # convolutions then take about 0.7 of the time
        # The stock trainer counts targets only for models that take keywords; objectives are always given the count.
        self.model_accepts_loss_kwargs = True
        if use_cache is None:  # it writes its own into the model's configuration
            vars(model.config).pop("use_cache", None)
        else:
            model.config.use_cache = use_cache

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | None]:
        """Take the batches of one optimiser step and count their targets, over all processes.

        The count is None where batches have no labels or each is to be divided by its own.
        """
        batches = list(itertools.islice(epoch_iterator, num_batches))
        optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        if isinstance(optimizer, CaffeSGD):
            optimizer.accumulated = len(batches)
        if self.args.loss_normalization == "batch" or not all("labels" in batch for batch in batches):
            return batches, None
        count = sum((_targets(batch) for batch in batches), start=torch.tensor(0)).to(device)
        return batches, self.accelerator.reduce(count, reduction="sum")

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> Any:
        """Compute the objective so that the mean over processes, which DDP takes of gradients, is the right sum."""
        if num_items_in_batch is not None:
            loss = self.objective(model, inputs, num_items_in_batch) * self.accelerator.num_processes
        else:
            loss = self.objective(model, inputs, _targets(inputs) if "labels" in inputs else None)
        return (loss, None) if return_outputs else loss

    def training_step(
        self, model: torch.nn.Module, inputs: Batch, num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Back-propagate the objective; of one that yields parts of the loss, each before the next is computed."""
        if hasattr(self.objective, "progress"):
            self.objective.progress = self.state.global_step / self.state.max_steps
        if not inspect.isgeneratorfunction(self.objective):
            return super().training_step(model, inputs, num_items_in_batch)
        model.train()
        inputs = self._prepare_inputs(inputs)
        if num_items_in_batch is not None:
            items, scale = num_items_in_batch, float(self.accelerator.num_processes)
        else:
            items, scale = _targets(inputs), 1 / self.current_gradient_accumulation_steps
        parts, total = self.objective(model, inputs, items), torch.zeros((), device=self.args.device)
        with self.accelerator.no_sync(model):  # another process may have more parts, or fewer
            while True:
                with self.compute_loss_context_manager():
                    part = next(parts, None)
                if part is None:
                    break
                self.accelerator.backward(part * scale)
                total += part.detach() * scale
        if self.accelerator.sync_gradients and self.accelerator.num_processes > 1:
            average_gradients(model, self.accelerator)
        return total

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the optimizer from the task's groups of parameters; whatever is in none of them is frozen."""
        if self.optimizer is None:
            groups = self.task.parameter_groups(self.model, self.options.model)
            freeze_all_but(self.model, groups)
            if self.args.optim == "caffe_sgd":
                self.optimizer = make_caffe_sgd(groups, self.args)
            else:
                decaying = set(self.get_decay_parameter_names(self.model))
                decaying_ids = {id(p) for name, p in self.model.named_parameters() if name in decaying}
                optimizer_class, defaults = self.get_optimizer_cls_and_kwargs(self.args, self.model)
                self.optimizer = optimizer_class(stock_groups(groups, self.args, decaying_ids), **defaults)
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Make the schedule: a stock one, or Caffe's 'step' policy, after a linear warm-up where one is asked for."""
        if self.args.lr_scheduler_type != "step":
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            warmup = self.args.get_warmup_steps(num_training_steps)
            factor = functools.partial(
                step_policy, step_size=self.args.lr_step_size, gamma=self.args.lr_gamma, warmup=warmup
            )
            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, factor)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def evaluate(
        self,
        eval_dataset: Dataset | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
        **unused: Any,
    ) -> dict[str, float]:
        """Judge the answers to the validation table (or to its first `eval_rows`), and tell plugins.

        Raises ValueError if the metric that decides which checkpoint is best is not among those computed.
        """
        table = self.eval_dataset if eval_dataset is None else eval_dataset
        if self.args.eval_rows is not None:
            table = table.select(range(min(self.args.eval_rows, len(table))))
        _, metrics = evaluate_table(self.task, self.model, self.processor, table, self.options, self.accelerator)
        best = self.args.metric_for_best_model
        if best is not None and best not in metrics:
            raise ValueError(f"metric_for_best_model {best!r} is not among the metrics: {', '.join(metrics)}")
        logs = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        self.log(logs)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, logs)
        if self.accelerator.is_main_process:
            step, folder = self.state.global_step, str(self.args.output_dir)
            notify("evaluated", task=self.task, metrics=metrics, step=step, output_dir=folder)
        return logs

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        return EpochSampler(self.train_dataset if train_dataset is None else train_dataset, self.args.data_seed)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any = None) -> None:
        """Write a checkpoint that has its name only when it is whole, then delete those no longer needed."""
        folder = checkpoint_folder(Path(self.args.output_dir), self.state.global_step)
        partial, main = partial_folder(folder), self.accelerator.is_main_process
        self.store_flos()
        try:
            with full_disk_named(folder, self._checkpoint_bytes(), "make room and run the same command again"):
                if main:
                    remove(partial)
                    partial.mkdir(parents=True)
                self.accelerator.wait_for_everyone()
                self._write_checkpoint(partial, folder)
                self.accelerator.wait_for_everyone()
                if main:
                    seal(partial, folder, self.accelerator.num_processes)
        except Exception:
            if main:
                remove(partial)
            raise
        if main:
            rotate(folder.parent, self.args.save_total_limit, self.state.best_global_step)
        self.accelerator.wait_for_everyone()

    def _write_checkpoint(self, partial: Path, folder: Path) -> None:
        with without_progress_bars():
            self.save_model(str(partial), _internal_call=True)
        self._save_optimizer_and_scheduler(str(partial))
        self._save_scaler(str(partial))
        self._save_rng_state(str(partial))
        if not self.args.should_save:
            return
        self.processor.save_pretrained(partial)
        best = checkpoint_folder(folder.parent, self.state.best_global_step or -1)
        self.state.best_model_checkpoint = str(best) if best == folder or best.is_dir() else None
        for callback in [*self.callback_handler.callbacks, self.control]:
            if isinstance(callback, ExportableState):
                self.state.stateful_callbacks[type(callback).__name__] = callback.state()
        self.state.save_to_json(str(partial / STATE))

    def _checkpoint_bytes(self) -> int:
        weights = sum(tensor.nbytes for tensor in self.model.state_dict().values())
        slots = [value for slot in self.optimizer.state.values() for value in slot.values()]
        return weights + sum(value.nbytes for value in slots if isinstance(value, torch.Tensor)) + 2**20


def build_objective(task: Task, processor: ProcessorMixin, tables: Mapping[str, Dataset], options: RunOptions) -> Any:
    """Give the task's objective that the options name, or its first; raises ValueError where there is none."""
    name = options.training.objective
    if name is None:
        return next(iter(task.objectives.values()))
    if name in task.objective_builders:
        return task.objective_builders[name](processor, tables, options)
    if name not in task.objectives:
        names = ", ".join([*task.objectives, *task.objective_builders])
        raise ValueError(f"task {task.name} has no objective {name!r}; it has: {names}")
    return task.objectives[name]


def _targets(batch: Batch) -> torch.Tensor:
    """Count the targets of a batch, a scalar."""
    return batch["labels"].ne(-100).sum()
