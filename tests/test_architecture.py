"""Who may import whom, read from the sources: the rules of docs/design.md, and proof that the reading finds faults."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"lrcn_hub", "lrcn_cli", "train"}

# A room of the house and the rooms it may import from, besides itself. `lrcn_hub` alone is the package's public face,
# what a third party's plugin uses; inside the core it would be a circle.
RULES = {
    "lrcn_hub": {"hookspecs", "models", "pipelines", "tasks"},
    "hookspecs": {"tasks"},
    "tasks": {"reporting"},
    "reporting": {"tasks"},
    "contract": {"tasks"},
    "plugins": {"contract", "hookspecs", "tasks"},
    "models": set(),
    "pipelines": {"models"},
    "scoring": set(),
    "judging": {"data", "models", "scoring"},
    "backbones": {"models"},
    "data": {"models"},
    "sentences": {"data", "models", "reporting", "scoring", "tasks"},
    "retrieval": {"models", "data", "scoring", "sentences"},
    "publishing": {"models", "plugins", "tasks", "hookspecs"},
    "narration": {"models", "data"},
    "streaming": {"models", "data"},
    "timeline": {"models", "data", "scoring"},
    "caffe": {"models", "data", "publishing"},
    "training": {"publishing", "plugins", "reporting", "tasks", "hookspecs", "models"},
    "testing": {"training", "contract", "plugins", "reporting", "tasks", "hookspecs", "models"},
    "demo": {
        *("data", "hookspecs", "lrcn_hub", "models", "plugins"),
        *("publishing", "scoring", "sentences", "tasks", "timeline", "training"),
    },
    "lrcn_cli": {
        *("caffe", "data", "demo", "judging", "lrcn_hub", "models", "narration"),
        *("plugins", "publishing", "reporting", "retrieval", "scoring", "streaming", "timeline", "training"),
    },
    "train": {"lrcn_cli"},
    "a plugin": {
        *("backbones", "data", "hookspecs", "lrcn_hub", "models"),
        *("reporting", "scoring", "sentences", "tasks"),
    },
}
# What a room may import from outside; a room not named may import anything installed.
FOREIGN = {
    "models": {"av", "torch", "torchvision", "transformers", "timm", "tokenizers", "PIL", "numpy", "safetensors"},
    "scoring": {"datasets", "evaluate", "numpy", "pycocoevalcap", "tqdm"},
    "hookspecs": {"pluggy"},
    "lrcn_cli": {"torch", "transformers"},
}
# Where no task is known by its name. In `pipelines`, "task" is transformers' word for a kind of pipeline.
CORE = set(RULES) - {"a plugin", "demo", "train", "lrcn_cli", "pipelines"}


def sources() -> dict[str, str]:
    """Every module of ours by its dotted name."""
    files = [ROOT / "train.py", *ROOT.glob("lrcn_hub/**/*.py"), *ROOT.glob("lrcn_cli/*.py")]
    modules = {file.relative_to(ROOT): file for file in files}
    modules |= {file.relative_to(ROOT / "plugins"): file for file in ROOT.glob("plugins/*/**/*.py")}
    return {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__"): file.read_text(encoding="utf-8")
        for path, file in modules.items()
    }


def faults(modules: dict[str, str]) -> list[str]:
    """Say where `modules`, sources by dotted name, break the rules."""
    found = []
    for module, source in modules.items():
        tree = ast.parse(source)
        for line, target in imports(tree, module, modules):
            if fault := import_fault(module, target):
                found.append(f"{module}:{line} imports {target}: {fault}")
        found += [f"{module}: {fault}" for fault in flat_folder_faults(module, tree)]
        if room(module) in CORE:
            found += [f"{module}:{line} asks for a task's name" for line in task_comparisons(tree)]
    return found + circles(modules)


def room(module: str) -> str:
    """The room of the house that a dotted name of ours lies in."""
    first, _, rest = module.partition(".")
    if first != "lrcn_hub":
        return first if first in RULES else "a plugin"
    return rest.partition(".")[0] or "lrcn_hub"


def is_ours(module: str) -> bool:
    return module.split(".")[0] in OURS or module.startswith("lrcn_")


def import_fault(module: str, target: str) -> str | None:
    here = room(module)
    if here not in RULES:
        return f"the rules know no room {here!r}"
    if not is_ours(target):
        package = target.split(".")[0]
        allowed = package in sys.stdlib_module_names or package in FOREIGN.get(here, {package})
        return None if allowed else f"{here} may not depend on {package}"
    if here == "a plugin" and room(target) == here:
        return None if target.split(".")[0] == module.split(".")[0] else "plugins may not import each other"
    allowed = room(target) in RULES[here] | {here}
    return None if allowed else f"{here} may not import from {room(target)}"


def imports(tree: ast.Module, module: str, modules: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Every imported module with its line, wherever the import stands; a submodule rather than its package."""
    is_package = any(other.startswith(f"{module}.") for other in modules)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: None if is_package else -1]
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
            yield from ((node.lineno, name if name in modules else base) for name in names)


def flat_folder_faults(module: str, tree: ast.Module) -> Iterator[str]:
    """The folder `models` travels to the Hub file by file: only ``from .name_lrcn import`` takes another along."""
    if room(module) != "models" or module == "lrcn_hub.models":
        return
    if not module.endswith("_lrcn") or module.count(".") != 2:
        yield "a file of models lies flat in its folder and is called ..._lrcn.py"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and (node.level > 1 or not node.module):
            yield f"line {node.lineno}: write `from .sibling_lrcn import name`"
        absolute = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        absolute += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        if any(is_ours(name) for name in absolute):
            yield f"line {node.lineno}: lrcn_hub is not there where this file is read: import from the sibling"


def task_comparisons(tree: ast.Module) -> Iterator[int]:
    """Lines that compare a task's name with a fixed one: what differs between tasks is a member of Task."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Match) and is_task_name(node.subject):
            yield node.lineno
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(is_task_name(side) for side in sides) and any(is_fixed(side) for side in sides):
                yield node.lineno


def is_task_name(node: ast.expr) -> bool:
    """``task``, ``x.task``, ``task_name``, or ``.name`` of such."""
    if isinstance(node, ast.Attribute) and node.attr == "name":
        return is_task_name(node.value)
    word = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return word in ("task", "task_name")


def is_fixed(node: ast.expr) -> bool:
    """A text, a constant's name, or a collection with one of these in it."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(is_fixed(item) for item in node.elts)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.isupper() or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def circles(modules: dict[str, str]) -> list[str]:
    """Name the modules that import each other round in a circle while they are being loaded."""
    graph = {module: loaded_with(ast.parse(source), module, modules) for module, source in modules.items()}
    found, done = [], set()

    def visit(module: str, path: list[str]) -> None:
        if module in path:
            found.append("circle: " + " -> ".join([*path[path.index(module) :], module]))
        elif module not in done:
            for target in sorted(graph[module]):
                visit(target, [*path, module])
            done.add(module)

    for module in sorted(graph):
        visit(module, [])
    return found


def loaded_with(tree: ast.Module, module: str, modules: dict[str, str]) -> set[str]:
    """The modules of ours that importing `module` loads: not those imported in functions or for type checking only."""
    top: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.Try):
            top += node.body
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            top.append(node)
    statements = [node for node in top if isinstance(node, ast.Import | ast.ImportFrom)]
    targets = {target for _, target in imports(ast.Module(statements, []), module, modules)}
    return targets & modules.keys()


def test_every_module_keeps_to_the_rules():
    modules = sources()
    assert {"lrcn_hub.plugins", "lrcn_cli.caption", "train"} <= modules.keys()  # the sources were found
    assert faults(modules) == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("lrcn_hub.training.run", "import lrcn_captioning", "training may not import from a plugin"),
        ("lrcn_hub.plugins", "def f():\n    from lrcn_captioning.task import Captioning", "from a plugin"),
        ("lrcn_hub.demo.report", "from lrcn_captioning import task", "from a plugin"),
        ("lrcn_cli.caption", "import lrcn_captioning", "from a plugin"),
        ("lrcn_captioning.task", "from lrcn_hub import training", "a plugin may not import from training"),
        ("lrcn_captioning.task", "from lrcn_hub.publishing.export import export", "from publishing"),
        ("lrcn_captioning.task", "import lrcn_cli", "from lrcn_cli"),
        ("lrcn_captioning.task", "from lrcn_hub.plugins import get_task", "from plugins"),
        ("lrcn_narration.task", "from lrcn_captioning import task", "plugins may not import each other"),
        ("lrcn_hub.data.text", "from lrcn_hub.training import run", "data may not import from training"),
        ("lrcn_hub.data.text", "from ..training import run", "data may not import from training"),
        ("lrcn_hub.scoring.bleu", "import torch", "scoring may not depend on torch"),
        ("lrcn_hub.hookspecs", "import transformers", "hookspecs may not depend on transformers"),
        ("lrcn_hub.publishing.export", "from lrcn_hub import training", "publishing may not import from training"),
        ("lrcn_hub.training.run", "from lrcn_hub.demo import main", "training may not import from demo"),
        ("lrcn_hub.models.modeling_lrcn", "import datasets", "models may not depend on datasets"),
        ("lrcn_hub.models.modeling_lrcn", "from lrcn_hub.data import text", "models may not import from data"),
        ("lrcn_hub.models.modeling_lrcn", "from lrcn_hub.models.state_lrcn import State", "not there where this file"),
        ("lrcn_hub.models.modeling_lrcn", "import lrcn_hub.models.state_lrcn", "not there where this file"),
        ("lrcn_hub.models.modeling_lrcn", "from . import state_lrcn", "write `from .sibling_lrcn import name`"),
        ("lrcn_hub.models.modeling_lrcn", "from ..tasks import Task", "write `from .sibling_lrcn import name`"),
        ("lrcn_hub.models.modeling", "", "is called ..._lrcn.py"),
        ("lrcn_hub.models.parts.cell_lrcn", "", "lies flat in its folder"),
        ("lrcn_hub.attic", "import lrcn_hub", "the rules know no room 'attic'"),
        ("lrcn_hub.training.run", "task.name == CAPTIONING", "run:1 asks for a task's name"),
        ("lrcn_hub.training.run", "if self.task.name in ('captioning', 'activity'): ...", "asks for a task's name"),
        ("lrcn_hub.training.run", "x = 1 if 'captioning' == arguments.task else 2", "asks for a task's name"),
        ("lrcn_hub.training.run", "match task.name:\n    case 'captioning': ...", "asks for a task's name"),
    ],
)
def test_a_fault_is_found(module, source, fault):
    modules = dict.fromkeys(["lrcn_hub", "lrcn_hub.training", "lrcn_hub.training.run", "lrcn_captioning"], "")
    found = faults({**modules, "lrcn_captioning.task": "", module: source})
    assert any(fault in line for line in found), found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("lrcn_captioning.task", "from lrcn_hub import Task, hookimpl\nfrom lrcn_captioning.data import rows"),
        ("lrcn_captioning.data", "import datasets\nfrom lrcn_hub.data.text import words"),
        ("lrcn_hub.models.modeling_lrcn", "import math\nimport timm\nfrom .state_lrcn import State"),
        ("lrcn_hub.training.run", "if recipe.get('task') == written: ...\nif task is None: ...\nwritten == task.name"),
        ("lrcn_cli.train", "def main():\n    from lrcn_hub import training"),
    ],
)
def test_what_is_allowed_passes(module, source):
    assert faults({"lrcn_hub": "", "lrcn_hub.training": "", "lrcn_captioning": "", module: source}) == []


def test_a_circle_is_found_but_not_one_that_is_broken_by_a_late_import():
    one = "from lrcn_hub.data import two"
    late = "def f():\n    from lrcn_hub.data import one"
    for_types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lrcn_hub.data import one"
    modules = {"lrcn_hub": "", "lrcn_hub.data": "", "lrcn_hub.data.one": one}
    early = {**modules, "lrcn_hub.data.two": "import lrcn_hub.data.one"}
    assert faults(early) == ["circle: lrcn_hub.data.one -> lrcn_hub.data.two -> lrcn_hub.data.one"]
    assert faults({**modules, "lrcn_hub.data.two": late}) == []
    assert faults({**modules, "lrcn_hub.data.two": for_types}) == []
