"""A third party's distribution, installed by pip as its users would, driven through the real command line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
EXAMPLE = Path(__file__).parent / "example_plugin"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Install the distribution into a folder of its own and give the environment in which Python finds it."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(EXAMPLE, folder / "source")  # a build leaves files beside its source
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "install", *offline, "--target", folder / "site", source], check=True)
    path = os.pathsep.join(filter(None, [str(folder / "site"), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    alone = {"LRCN_PLUGINS": "counting", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    return {**os.environ, **alone, "PYTHONPATH": path}


@pytest.fixture(scope="module")
def lrcn(environment):
    def run(*arguments):
        command = [sys.executable, "-m", "lrcn_cli", *map(str, arguments)]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    return run


@pytest.fixture(scope="module")
def trained(lrcn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "counter"
    options = {"output_dir": folder, "max_steps": 150, "eval_steps": 50, "save_steps": 50, "learning_rate": 0.02}
    options |= {"per_device_train_batch_size": 32, "use_cpu": True}
    lrcn("train", "--task", "counting", *(word for name, value in options.items() for word in (f"--{name}", value)))
    return folder


def test_the_example_is_short_and_imports_no_plugin_of_ours():
    source = (EXAMPLE / "lrcn_counting.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 60
    assert not any(ours.name in source for ours in (ROOT / "plugins").iterdir())


def test_the_installed_plugin_and_its_task_are_listed(lrcn):
    (record,) = [record for record in json.loads(lrcn("plugins", "--json")) if record["name"] == "counting"]
    assert (record["state"], record["distribution"], record["version"]) == ("ok", "lrcn-counting", "0.2.0")
    (task,) = json.loads(lrcn("tasks", "--json"))
    assert (task["name"], task["distribution"]) == ("counting", "lrcn-counting")
    assert set(task["columns"]) == {"id", "image", "dots"}
    assert task["greater_is_better"] is False


def test_it_learns_and_its_run_says_with_which_plugin(trained):
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["validation"]["mean_error"] < 0.6  # always the same answer, at best, gives 1
    assert "lrcn-counting" in "".join(path.read_text(encoding="utf-8") for path in trained.glob("*.json"))


def test_evaluating_the_saved_model_again_gives_the_same_metrics(trained, lrcn, tmp_path):
    words = ["--split", "validation", "--json", "--output", tmp_path / "again", "--use_cpu", "--compare", trained]
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))["validation"]
    assert json.loads(lrcn("evaluate", trained, *words)) == metrics
    page = (tmp_path / "again" / "report.html").read_text(encoding="utf-8")
    value = f"<td>{metrics['mean_error']:.3f}</td>"
    assert page.count(value) == 2 and "<td>0.000</td>" in page  # this run, the other one, and what lies between


def test_its_model_loads_through_the_auto_classes_once_plugins_are_found(trained, environment):
    script = """
        import sys, transformers, lrcn_hub.plugins
        task = lrcn_hub.plugins.get_task("counting")
        model = transformers.AutoModel.from_pretrained(sys.argv[1])
        processor = transformers.AutoProcessor.from_pretrained(sys.argv[1])
        rows = list(task.load_tables(task.DataOptions())["validation"])
        answers = task.predict(model, task.collator(processor, None, training=False)(rows), processor, None)
        print(type(model).__name__, sum(abs(a - row["dots"]) for a, row in zip(answers, rows)) / len(rows))
    """
    code = "\n".join(line.strip() for line in script.splitlines())
    command = [sys.executable, "-c", code, str(trained)]
    name, error = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert name == "Counter"
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    assert float(error) == pytest.approx(metrics["validation"]["mean_error"], abs=1e-6)


def test_it_passes_the_contract_test_kit_where_it_is_installed(environment, tmp_path):
    script = "import sys, pathlib, lrcn_hub.plugins as p, lrcn_hub.testing as t\n"
    script += "t.check_task(p.get_task('counting'), pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
