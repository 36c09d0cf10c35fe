"""Captioning: one picture in, one sentence out. The paper's section 5, as a task of LRCN Hub."""

from collections.abc import Callable

from lrcn_hub import Task, hookimpl


@hookimpl
def register_tasks(register: Callable[[Task], None]) -> None:
    from lrcn_captioning.task import Captioning

    register(Captioning())
