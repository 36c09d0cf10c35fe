"""Activity recognition: a video in, its class out. The paper's section 4, as a task of LRCN Hub."""

from collections.abc import Callable

from lrcn_hub import Task, hookimpl


@hookimpl
def register_tasks(register: Callable[[Task], None]) -> None:
    from lrcn_activity.task import Activity

    register(Activity())
