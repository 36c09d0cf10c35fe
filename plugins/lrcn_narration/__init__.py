"""Video narration: what was seen in a video in, a sentence out. The paper's section 6, as a task of LRCN Hub."""

from collections.abc import Callable

from lrcn_hub import Task, hookimpl


@hookimpl
def register_tasks(register: Callable[[Task], None]) -> None:
    from lrcn_narration.task import Narration

    register(Narration())
