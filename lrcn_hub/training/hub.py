"""Pushing a trained model to the Hub at the end of its run, as the training section asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrcn_hub.publishing.push import check_can_push, push
from lrcn_hub.training.options import TrainingOptions


@dataclass(frozen=True)
class Destination:
    """Where on the Hub a run's model is pushed to."""

    repo_id: str
    private: bool | None
    revision: str | None

    def check(self) -> None:
        """Raise ValueError or OSError where a push would fail: before training, not after it."""
        check_can_push(self.repo_id, private=self.private, revision=self.revision)

    def push(self, folder: Path) -> None:
        """Push the exported model in `folder`; an error tells how to repeat that without training again."""
        try:
            push(folder, self.repo_id, private=self.private, revision=self.revision)
        except (OSError, ValueError) as error:
            raise OSError(f"{error}\n{folder} holds the whole model; to push it: {self._command(folder)}") from error

    def _command(self, folder: Path) -> str:
        options = ["--private"] if self.private else []
        options += ["--revision", self.revision] if self.revision else []
        return " ".join(["lrcn push", str(folder), self.repo_id, *options])


def take_destination(training: TrainingOptions) -> Destination | None:
    """Take the wish to push out of `training`, since the stock trainer would push unfinished models by itself."""
    if not training.push_to_hub:
        return None
    training.push_to_hub = False
    return Destination(str(training.hub_model_id), training.hub_private_repo, training.hub_revision)
