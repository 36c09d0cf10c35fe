"""Every plugin here is a real one: a module and a dist-info folder with entry points, on sys.path for one test."""

import itertools
import logging
import re
import sys
import textwrap

import pytest

from lrcn_hub import plugins
from lrcn_hub.plugins import get_task, notify, plugin_records, task_names

TASK = """
    from lrcn_hub import Task, hookimpl

    class Example(Task):
        name, summary, pipeline_tag, best_metric = "{name}", "An example.", "image-classification", "accuracy"
        columns = {{"id": "unique"}}
        def load_tables(self, options): ...
        def build_processor(self, tables, options): ...
        def build_model(self, processor, options): ...
        def collator(self, processor, options, *, training): ...
        def predict(self, model, batch, processor, options): ...
        def compute_metrics(self, predictions, table, options): ...

    @hookimpl
    def register_tasks(register):
        register(Example())
"""
fresh_module = itertools.count()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a plugin: its module's source, under an entry point `name` of distribution `name`-dist."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("LRCN_PLUGINS", raising=False)
    plugins.forget_plugins()
    imported = []

    def add(name, source, distribution=None, attribute="", entry_points=None):
        distribution = distribution or f"{name}-dist"
        module = f"plugin_module_{next(fresh_module)}"
        imported.append(module)
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        info = tmp_path / f"{distribution.replace('-', '_')}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
        text = entry_points or f"{name} = {module}{attribute}"
        (info / "entry_points.txt").write_text(f"[lrcn_hub]\n{text.format(module=module)}\n")
        return module

    yield add
    plugins.forget_plugins()
    for module in imported:
        sys.modules.pop(module, None)


def record(name):
    (found,) = [record for record in plugin_records() if record.name == name]
    return found


def test_a_working_plugin_is_ok_and_its_task_can_be_had(install):
    module = install("good", TASK.format(name="counting"))
    found = record("good")
    assert (found.state, found.distribution, found.version, found.module) == ("ok", "good-dist", "1.5", module)
    assert (found.hooks, found.tasks, found.reason) == (["register_tasks"], ["counting"], "")
    assert "counting" in task_names()
    assert get_task("counting").name == "counting"


def test_nothing_is_imported_before_the_first_use(install):
    module = install("good", TASK.format(name="counting"))
    assert module not in sys.modules
    task_names()
    assert module in sys.modules


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('out of order')", "import fails: RuntimeError: out of order"),
        ("import sys; sys.exit(3)", "import fails: SystemExit: 3"),
        ("raise GeneratorExit", "import fails: GeneratorExit"),
        ("class Odd(BaseException): pass\nraise Odd('odd')", "Odd: odd"),
        ("import no_such_module_anywhere", "No module named 'no_such_module_anywhere'"),
        ("def broken(:", "import fails: SyntaxError"),
        ("class E(Exception):\n  def __str__(self): raise ValueError\nraise E", "import fails:"),
        ("from lrcn_hub.plugins import get_task\nget_task('captioning')", "plugins are being loaded"),
        (
            "from lrcn_hub import hookimpl\n@hookimpl\ndef register_tasks(register): raise OSError('no disk')",
            "no disk",
        ),
        (
            "from lrcn_hub import hookimpl\n@hookimpl\ndef register_tasks(register): raise SystemExit(0)",
            "SystemExit: 0",
        ),
        (
            "from lrcn_hub import hookimpl\n@hookimpl\ndef register_task(register): ...",
            "did you mean 'register_tasks'?",
        ),
        ("from lrcn_hub import hookimpl\n@hookimpl\ndef evaluate(task): ...", "did you mean 'evaluated'?"),
        ("from lrcn_hub import hookimpl\n@hookimpl\ndef register_tasks(registry): ...", "registry"),
        ("from lrcn_hub import hookimpl\ndef register_tasks(register): ...", "no function is marked @hookimpl"),
        ("LRCN_HUB_CONTRACT = 'newest'", "Invalid specifier: 'newest'"),
    ],
)
def test_a_broken_plugin_is_recorded_with_its_reason_and_harms_no_other(install, source, reason):
    install("bad", source)
    install("good", TASK.format(name="counting"))
    found = record("bad")
    assert found.state == "broken"
    assert reason in found.reason
    assert "\n" not in found.reason
    assert found.traceback
    assert record("good").state == "ok"
    assert "counting" in task_names()


def test_an_interrupt_while_plugins_load_is_passed_on_and_loading_starts_again_afterwards(install):
    install("impatient", "import os\nif 'STOP' in os.environ: raise KeyboardInterrupt\n" + textwrap.dedent(TASK))
    with pytest.MonkeyPatch.context() as environment, pytest.raises(KeyboardInterrupt):
        environment.setenv("STOP", "1")
        plugin_records()
    assert record("impatient")


@pytest.mark.parametrize("text", ["bad = no such module!", "bad = {module}:missing", "bad =", "bad"])
def test_an_entry_point_that_cannot_be_read_or_followed_is_broken(install, text):
    install("bad", "", entry_points=text)
    install("good", TASK.format(name="counting"))
    (found,) = [record for record in plugin_records() if record.distribution == "bad-dist"]
    assert found.state == "broken"
    assert record("good").state == "ok"


def test_a_distribution_without_metadata_still_gives_its_plugin(install, tmp_path):
    install("good", TASK.format(name="counting"))
    (tmp_path / "good_dist-1.5.dist-info" / "METADATA").unlink()
    assert record("good").state == "ok"


@pytest.mark.parametrize(("wanted", "state"), [(">=1,<2", "ok"), (">=2", "incompatible"), ("<1", "incompatible")])
def test_a_plugin_for_another_contract_is_incompatible(install, wanted, state):
    install("other", f"LRCN_HUB_CONTRACT = {wanted!r}\n" + textwrap.dedent(TASK.format(name="counting")))
    assert record("other").state == state
    assert ("counting" in task_names()) == (state == "ok")
    if state == "incompatible":
        assert f"{wanted}, this lrcn-hub has 1.2" in record("other").reason


@pytest.mark.parametrize(
    ("selection", "loaded"),
    [
        ("", ""),
        ("a", "a"),
        ("a,b", "ab"),
        (" a , b ", "ab"),
        ("-a", "bc"),
        ("-a,-b", "c"),
        ("b-dist", "b"),
        ("a,-a", ""),
    ],
)
def test_the_environment_restricts_what_loads(install, monkeypatch, selection, loaded):
    modules = {name: install(name, TASK.format(name=f"task-{name}")) for name in "abc"}
    monkeypatch.setenv("LRCN_PLUGINS", selection)
    assert [name for name in "abc" if record(name).state == "ok"] == list(loaded)
    for name in set("abc") - set(loaded):
        assert record(name).state == "disabled"
        assert "LRCN_PLUGINS" in record(name).reason
        assert modules[name] not in sys.modules


def test_a_name_in_the_environment_that_is_not_installed_is_an_error_with_the_installed_names(install, monkeypatch):
    install("counting", TASK.format(name="counting"))
    for selection in ("countin", "-countin"):
        monkeypatch.setenv("LRCN_PLUGINS", selection)
        with pytest.raises(ValueError, match=r"no plugin 'countin'; installed are: .*counting"):
            plugin_records()


def test_two_tasks_of_one_name_are_an_error_that_names_both_distributions(install):
    install("one", TASK.format(name="counting"))
    install("two", TASK.format(name="counting"))
    install("good", TASK.format(name="measuring"))
    with pytest.raises(ValueError, match=r"'counting' is offered by .*one-dist 1.5 and .*two-dist 1.5"):
        get_task("counting")
    assert "counting" not in task_names()
    assert "one-dist" in record("two").reason
    assert "two-dist" in record("one").reason
    assert get_task("measuring")


def test_two_plugins_of_one_name_both_load(install):
    install("same", TASK.format(name="counting"), distribution="first")
    install("same", TASK.format(name="measuring"), distribution="second")
    assert {"counting", "measuring"} <= set(task_names())


def test_a_module_with_two_entry_points_registers_once(install):
    install("one", TASK.format(name="counting"), entry_points="one = {module}\ntwo = {module}")
    assert (record("one").state, record("two").state) == ("ok", "ok")
    assert record("one").tasks == ["counting"]
    assert "'one'" in record("two").reason
    assert get_task("counting")


def test_a_plugin_may_be_any_object_of_a_module(install):
    source = textwrap.dedent(TASK.format(name="counting")) + "\nclass Plugin:\n    register_tasks = register_tasks\n"
    install("object", source, attribute=":Plugin")
    assert record("object").state == "ok"
    assert get_task("counting")


def test_a_plugin_imported_by_the_user_first_is_found_all_the_same(install):
    module = install("good", TASK.format(name="counting"))
    __import__(module)
    assert get_task("counting").__class__ is sys.modules[module].Example


def test_an_unknown_task_is_refused_with_the_nearest_name_and_what_failed(install):
    install("good", TASK.format(name="counting"))
    install("bad", "raise RuntimeError('out of order')")
    with pytest.raises(ValueError, match=r"no task 'countin' \(did you mean 'counting'\?\).*bad-dist.*out of order"):
        get_task("countin")


def test_without_any_plugin_the_error_says_how_to_install(install, monkeypatch):
    monkeypatch.setattr(plugins, "_installed", lambda: iter(()))
    with pytest.raises(ValueError, match=r"pip install -e \."):
        get_task("captioning")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("del Example.summary", "summary is missing"),
        ("Example.name = 'Not a name'", "name must be lower-case words joined by hyphens, not 'Not a name'"),
        ("Example.columns = {'image': 'a picture'}", "columns must be a mapping .* that has 'id'"),
        ("Example.columns = ['id']", "columns must be a mapping"),
        ("Example.objectives = {}", "objectives must be a mapping"),
        ("Example.objectives = {'likelihood': 'loss'}", "objectives must be a mapping"),
        ("Example.DataOptions = dict", "DataOptions must be a dataclass"),
        ("Example.greater_is_better = 'yes'", "greater_is_better must be True or False, not 'yes'"),
        ("Example = type('Example', (), {'name': 'counting'})", "not a subclass of lrcn_hub.Task"),
        ("Example.__call__ = None\nExample = lambda: Task", "register an instance"),
        ("del Example.predict\nimport abc; abc.update_abstractmethods(Example)", "abstract method '?predict"),
    ],
)
def test_a_task_that_breaks_the_contract_is_refused_with_what_is_missing(install, change, fault):
    install("bad", textwrap.dedent(TASK.format(name="counting")) + f"\n{change}\n")
    assert record("bad").state == "broken"
    assert re.search(fault, record("bad").reason), record("bad").reason
    assert "counting" not in task_names()


def test_a_plugin_that_fails_on_news_is_logged_and_the_others_still_hear_it(install, caplog):
    listener = """
        from lrcn_hub import hookimpl
        heard = []
        @hookimpl
        def evaluated(task, metrics, step):
            heard.append((task, metrics, step))
            {then}
    """
    modules = [
        install(name, listener.format(then=then))
        for name, then in [("a", "raise OSError('no disk')"), ("b", "raise SystemExit(1)"), ("c", "pass")]
    ]
    with caplog.at_level(logging.ERROR, logger="lrcn_hub.plugins"):
        notify("evaluated", task=None, metrics={"accuracy": 0.5}, step=7, output_dir="out")
    assert [sys.modules[module].heard for module in modules] == [[(None, {"accuracy": 0.5}, 7)]] * 3
    assert [message.split(";")[0] for message in caplog.messages] == [
        "plugin 'a' of a-dist 1.5 failed in hook evaluated",
        "plugin 'b' of b-dist 1.5 failed in hook evaluated",
    ]


def test_a_broken_plugin_is_warned_about_when_plugins_are_first_used(install, caplog):
    install("bad", "raise RuntimeError('out of order')")
    task_names()
    task_names()
    assert [message for message in caplog.messages if "bad-dist" in message] == [
        "plugin 'bad' of bad-dist 1.5 is broken: import fails: RuntimeError: out of order"
    ]
