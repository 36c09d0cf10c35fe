"""Finding plugins: entry points of the group ``lrcn_hub``, looked up on first use, none of which can do harm.

Each plugin has a pluggy manager of its own, so one that fails to import, to register or to answer a hook is recorded
with its reason while the others go on working. The environment variable LRCN_PLUGINS restricts what is loaded, by
plugin or distribution name: empty for none, ``a,b`` for only these, ``-a,-b`` for all but these.
"""

from __future__ import annotations

import difflib
import logging
import os
import threading
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal

import pluggy
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from lrcn_hub import hookspecs
from lrcn_hub.contract import contract_faults
from lrcn_hub.hookspecs import CONTRACT_VERSION, ENTRY_POINT_GROUP
from lrcn_hub.tasks import Task

logger = logging.getLogger(__name__)

SELECTION_VARIABLE = "LRCN_PLUGINS"
HOOK_NAMES = sorted(name for name, value in vars(hookspecs).items() if hasattr(value, f"{ENTRY_POINT_GROUP}_spec"))


@dataclass
class PluginRecord:
    """What is known of one plugin, whatever became of it."""

    name: str
    distribution: str
    version: str
    module: str
    state: Literal["ok", "disabled", "broken", "incompatible"] = "ok"
    reason: str = ""
    """Why it is not ok, or which of its tasks cannot be used; one line."""
    hooks: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    traceback: str = ""

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution} {self.version}"

    def fail(self, what: str, error: BaseException) -> None:
        """Record that the plugin is broken: `what` failed with `error`."""
        self.state = "broken"
        self.reason = " ".join(f"{what}: {traceback.format_exception_only(error)[-1]}".split())
        self.traceback = "".join(traceback.format_exception(error))


class Registry:
    """The installed plugins as found in one look, and the tasks that those in order offer."""

    def __init__(self) -> None:
        self.records: list[PluginRecord] = []
        self.managers: list[tuple[PluginRecord, pluggy.PluginManager]] = []
        self.offers: dict[str, list[tuple[PluginRecord, Task]]] = {}

    def load(self) -> None:
        """Find, select and load the plugins; raises ValueError if LRCN_PLUGINS names one that is not installed."""
        found = sorted(_installed(), key=lambda pair: (pair[0].name, pair[0].distribution))
        self.records = [record for record, _ in found]
        _select(self.records, os.environ.get(SELECTION_VARIABLE))
        modules: list[tuple[Any, PluginRecord]] = []
        for record, entry_point in found:
            if entry_point is not None and record.state == "ok":
                self._load_plugin(record, entry_point, modules)
        self._note_conflicts()
        for record in self.records:
            if record.state in ("broken", "incompatible"):
                logger.warning("%s is %s: %s", record, record.state, record.reason)

    def _load_plugin(
        self, record: PluginRecord, entry_point: metadata.EntryPoint, modules: list[tuple[Any, PluginRecord]]
    ) -> None:
        doing = "import fails"
        try:
            module = entry_point.load()
            for other, first in modules:
                if other is module:
                    record.state, record.reason = first.state, f"the same module as {first}"
                    return
            modules.append((module, record))
            doing = "registration fails"
            if _is_incompatible(record, module):
                return
            manager = _register(record, module)
            doing = "register_tasks fails"
            tasks: list[Task] = []
            manager.hook.register_tasks(register=lambda task: tasks.append(_checked(task)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even call sys.exit
            record.fail(doing, error)
            return
        self.managers.append((record, manager))
        record.tasks = [task.name for task in tasks]
        for task in tasks:
            self.offers.setdefault(task.name, []).append((record, task))

    def _note_conflicts(self) -> None:
        for name, offers in self.offers.items():
            if len(offers) > 1:
                reason = _conflict(name, offers)
                logger.warning("%s", reason)
                for record, _ in offers:
                    record.reason = reason


def _installed() -> Iterator[tuple[PluginRecord, metadata.EntryPoint | None]]:
    """Give a record for each entry point; the first distribution of a name on sys.path hides later ones."""
    seen = set()
    for distribution in metadata.distributions():
        if f"[{ENTRY_POINT_GROUP}]" not in (distribution.read_text("entry_points.txt") or ""):
            continue
        name, version = distribution.metadata["Name"] or "unknown", distribution.version or "unknown"
        if name != "unknown" and canonicalize_name(name) in seen:
            continue
        seen.add(canonicalize_name(name))
        try:
            entry_points = list(distribution.entry_points.select(group=ENTRY_POINT_GROUP))
        except Exception as error:  # importlib.metadata leaves open what a malformed file raises
            record = PluginRecord(name, name, version, "")
            record.fail("its entry_points.txt cannot be read", error)
            yield record, None
            continue
        for entry_point in entry_points:
            yield PluginRecord(entry_point.name, name, version, entry_point.value), entry_point


def _select(records: list[PluginRecord], selection: str | None) -> None:
    """Disable what `selection`, the value of LRCN_PLUGINS, leaves out."""
    if selection is None:
        return
    items = [item.strip() for item in selection.split(",") if item.strip()]
    excluded = {item[1:] for item in items if item.startswith("-")}
    only = {item for item in items if not item.startswith("-")}
    known = {name for record in records for name in (record.name, record.distribution)}
    if unknown := sorted((excluded | only) - known):
        installed = ", ".join(sorted({record.name for record in records})) or "none"
        raise ValueError(f"{SELECTION_VARIABLE}={selection!r}: no plugin {unknown[0]!r}; installed are: {installed}")
    for record in records:
        names = {record.name, record.distribution}
        if names & excluded or not (names & only or (excluded and not only)):
            record.state, record.reason = "disabled", f"left out by {SELECTION_VARIABLE}={selection!r}"


def _is_incompatible(record: PluginRecord, module: Any) -> bool:
    wanted = getattr(module, "LRCN_HUB_CONTRACT", "")
    if SpecifierSet(wanted).contains(CONTRACT_VERSION):
        return False
    record.state = "incompatible"
    record.reason = f"written for contract {wanted}, this lrcn-hub has {CONTRACT_VERSION}; install a matching version"
    return True


def _register(record: PluginRecord, module: Any) -> pluggy.PluginManager:
    """Give `module` to a manager of its own; raises if it implements no hook, an unknown one, or one wrongly."""
    manager = pluggy.PluginManager(ENTRY_POINT_GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(module, record.name)
    callers = manager.get_hookcallers(module) or []
    for caller in callers:
        if not caller.has_spec() and not all(hook.optionalhook for hook in caller.get_hookimpls()):
            nearest = suggestion(caller.name, HOOK_NAMES)
            raise ValueError(f"there is no hook {caller.name!r}{nearest}; hooks are {', '.join(HOOK_NAMES)}")
    if not callers:
        raise ValueError(f"no function is marked @hookimpl; hooks are {', '.join(HOOK_NAMES)}")
    record.hooks = sorted(caller.name for caller in callers)
    return manager


def _checked(task: Any) -> Task:
    if faults := contract_faults(task):
        raise TypeError(f"task {getattr(task, 'name', task)!r} breaks the contract: {'; '.join(faults)}")
    return task


def suggestion(name: str, names: Iterable[str]) -> str:
    """Name the nearest of `names` in brackets, or nothing if none is near."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _conflict(task_name: str, offers: list[tuple[PluginRecord, Task]]) -> str:
    sources = " and ".join(str(record) for record, _ in offers)
    return f"task {task_name!r} is offered by {sources}; uninstall one or set {SELECTION_VARIABLE}=-NAME"


_lock = threading.RLock()
_registry: Registry | None = None
_loading = False


def _loaded() -> Registry:
    global _registry, _loading
    with _lock:
        if _loading:
            raise RuntimeError("plugins are being loaded: ask for tasks in a function called later, not on import")
        if _registry is None:
            registry, _loading = Registry(), True
            try:
                registry.load()
            finally:
                _loading = False
            _registry = registry
        return _registry


def forget_plugins() -> None:
    """Look for plugins again on the next use, as a test does that installs one."""
    global _registry
    with _lock:
        _registry = None


def plugin_records() -> list[PluginRecord]:
    """Tell what became of every installed plugin, by name; ValueError if LRCN_PLUGINS names one not installed."""
    return list(_loaded().records)


def task_names() -> list[str]:
    """Name the tasks that can be used, sorted."""
    return sorted(name for name, offers in _loaded().offers.items() if len(offers) == 1)


def get_task(name: str) -> Task:
    """Return the task called `name`; ValueError if no plugin, or more than one, offers it."""
    registry = _loaded()
    offers = registry.offers.get(name, [])
    if len(offers) > 1:
        raise ValueError(_conflict(name, offers))
    if not offers:
        raise ValueError(_unknown_task(name, registry))
    return offers[0][1]


def _unknown_task(name: str, registry: Registry) -> str:
    names = task_names()
    if not registry.records:
        return f"no task {name!r}: no plugin is installed; in a checkout of lrcn-hub run `pip install -e .`"
    message = f"no task {name!r}{suggestion(name, names)}; tasks are: {', '.join(names) or 'none'}"
    failed = [f"{record} is {record.state}: {record.reason}" for record in registry.records if record.state != "ok"]
    return "; ".join([message, *failed])


def notify(hook: str, **arguments: Any) -> None:
    """Call `hook` of every plugin that implements it, one by one; one that fails is logged and the others go on."""
    for record, manager in _loaded().managers:
        try:
            getattr(manager.hook, hook)(**arguments)
        except KeyboardInterrupt:
            raise
        except BaseException:  # a plugin may even call sys.exit
            logger.exception("%s failed in hook %s; going on without it", record, hook)
