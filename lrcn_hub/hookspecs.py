"""Every hook of LRCN Hub, on one page.

A plugin is a module named by an entry point of the group ``lrcn_hub``. It implements the hooks it needs::

    from lrcn_hub import hookimpl

    @hookimpl
    def register_tasks(register):
        register(MyTask())

A module may state the contract versions it was written for, as a requirement on `CONTRACT_VERSION`::

    LRCN_HUB_CONTRACT = ">=1,<2"
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from lrcn_hub.tasks import Task

ENTRY_POINT_GROUP = "lrcn_hub"
CONTRACT_VERSION = "1.2"  # of the hooks here and of `lrcn_hub.tasks.Task`; its first number changes when a plugin must

hookspec = pluggy.HookspecMarker(ENTRY_POINT_GROUP)
hookimpl = pluggy.HookimplMarker(ENTRY_POINT_GROUP)


@hookspec
def register_tasks(register: Callable[["Task"], None]) -> None:
    """Offer tasks: call ``register(MyTask())`` for each. No model or data set is loaded here."""


@hookspec
def evaluated(task: "Task", metrics: dict[str, float], step: int, output_dir: str) -> None:
    """Told on the main process after every evaluation during training: `metrics` at optimiser step `step`."""


@hookspec
def exported(task: "Task", model: Any, folder: str) -> None:
    """Told on the main process after a model was written to `folder`; extra files may be added there."""
