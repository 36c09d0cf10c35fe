"""The model card, ``README.md``: rendered from the files beside the weights, so that every number has a source.

The text comes from the templates in ``lrcn_hub.model_cards``, one for each type of model, named by `model_type`.
"""

from __future__ import annotations

import importlib.resources
import json
import logging
import math
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard
from jinja2 import ChainableUndefined, Environment, FunctionLoader

from lrcn_hub.plugins import get_task
from lrcn_hub.publishing.card_facts import Facts, counts, differences, read_published, training_curve
from lrcn_hub.publishing.folders import write_text

logger = logging.getLogger(__name__)

CARD_FILE, FACTS_FILE = "README.md", "card.json"
MARK = "<!-- Written by lrcn-hub from the files beside it; without this line no command writes over it. -->"


def write_card(
    folder: str | Path,
    *,
    name: str | None = None,
    published: str | None = None,
    execute: bool = False,
    printed: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the card of the model in `folder` as its ``README.md``; the file is returned.

    - name: what users load it by, such as ``user/lrcn-coco``; else what the card before had, else the folder's name.
    - published: of which model to be published this is one; its card then has the authors' figures, too.
    - execute: run the card's example of use in a new process, which takes seconds, and show what it prints. What an
      earlier run printed is shown as long as weights and example are the same.
    - printed: what `example_of` the folder has just printed in a new process, if it was run elsewhere.

    Raises ValueError for a folder that holds no model, a damaged file, or a README.md not written here, unless
    `overwrite`; ChildProcessError, with what the process said, where the example fails. README.md is then untouched.
    """
    folder, file = Path(folder), Path(folder) / CARD_FILE
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} has no config.json, so it holds no model")
    if not overwrite and file.exists() and MARK not in file.read_text(encoding="utf-8"):
        raise ValueError(f"{file} was not written here, so it stays; --overwrite replaces it")
    facts = Facts.of(folder)
    told = {"name": name, "published": published}
    facts.card |= {key: value for key, value in told.items() if value}
    if execute:
        printed = _execute(folder)
    if printed is not None:
        example = _example(_environment(), facts, facts.config.get("model_type"), "")
        facts.card["usage"] = {"example": example, "output": printed.strip(), "weights": facts.weights}
    text = render_card(facts, str(facts.card.get("name") or folder.resolve().name))
    if facts.card:
        write_text(folder / FACTS_FILE, json.dumps(facts.card, indent=2, ensure_ascii=False) + "\n")
    write_text(file, text)
    return file


def example_of(folder: Path) -> str:
    """Give the card's example of use as Python code that loads the model from `folder`."""
    facts = Facts.of(folder)
    return _example(_environment(), facts, facts.config.get("model_type"), str(folder.resolve()))


def write_card_or_warn(folder: Path, printed: str | None = None) -> None:
    """Write the card of what was just exported; a card that cannot be written is a warning, the model is there."""
    try:
        write_card(folder, printed=printed)
    except Exception as error:
        logger.warning("%s has no new model card: %s: %s", folder, type(error).__name__, error)


def planned_card(name: str) -> str:
    """Render the card of a model to be published before anybody has trained it: what is not known is marked so.

    Raises ValueError that lists the models there are.
    """
    facts = Facts.planned(read_published(name))
    facts.card["published"] = name
    return render_card(facts, name)


def render_card(facts: Facts, name: str) -> str:
    """Render a card, metadata and text. Raises ValueError for metadata that huggingface_hub does not take."""
    published = read_published(facts.card["published"]) if "published" in facts.card else {}
    kind = facts.config.get("model_type") or published.get("kind")
    environment, measures = _environment(), _measures()
    found = dict.fromkeys(
        key for part in (facts.metrics, facts.judged_again) for values in part.values() for key in values
    )
    scores = [key for key in measures if key in found] + [key for key in found if key not in measures]
    missing = f"not measured: needs {published['needs']}" if published else "not measured"
    text = _template(environment, kind, "md").render(
        vars(facts),
        name=name,
        published=published,
        published_scores=[key for key in measures if key in (published.get("authors") or {}).get("rows", [{}])[0]],
        trained=bool(facts.recipe and facts.config),
        blank=missing,
        measures=measures,
        scores=scores,
        metric_types=sorted({measures.get(key, {}).get("type", key) for key in scores}),
        license=_license(facts),
        pipeline_tag=_pipeline_tag(facts),
        curve=training_curve(facts.history),
        steps=max((entry.get("step", 0) for entry in facts.history), default=0),
        counts=counts(facts.data),
        differences=differences(facts.recipe, published) if published and facts.config else [],
        snippet=_example(environment, facts, kind, name),
        usage=_usage(environment, facts, kind),
    )
    card = ModelCard(text)
    if results := _eval_results(facts, str(card.data.get("pipeline_tag") or "other"), measures):
        card.data.model_name, card.data.eval_results = name, results
    return ModelCard(str(card)).content.rstrip() + f"\n\n{MARK}\n"


def _eval_results(facts: Facts, task_type: str, measures: Mapping[str, Any]) -> list[EvalResult]:
    source = str(facts.data.get("source") or "not recorded")
    return [
        EvalResult(
            task_type=task_type,
            dataset_type=str(facts.data.get("dataset") or source),
            dataset_name=source,
            dataset_split=split,
            dataset_revision=facts.data.get("revision"),
            metric_type=measures.get(key, {}).get("type", key),
            metric_name=measures.get(key, {}).get("name", key),
            metric_value=value,
        )
        for split, values in facts.metrics.items()
        for key, value in values.items()
        if math.isfinite(value)
    ]


def _license(facts: Facts) -> str | None:
    """The licence of the data, unless the weights began with others' that may have another one."""
    model, training = facts.recipe.get("model") or {}, facts.recipe.get("training") or {}
    borrowed = model.get("backbone_pretrained") or model.get("backbone_weights") or training.get("init_from")
    stated = (facts.recipe.get("data") or {}).get("license")
    return stated or (None if borrowed else facts.data.get("license"))


def _pipeline_tag(facts: Facts) -> str | None:
    try:
        return get_task(facts.recipe["task"]).pipeline_tag if facts.recipe.get("task") else None
    except ValueError:  # its plugin is not here
        return None


def _example(environment: Environment, facts: Facts, kind: str | None, model: str) -> str:
    return _template(environment, kind, "py").render(vars(facts), model=model).strip()


def _usage(environment: Environment, facts: Facts, kind: str | None) -> dict[str, str] | None:
    """What the example printed, if it was this one with these weights."""
    usage: dict[str, str] = facts.card.get("usage") or {}
    same = usage.get("weights") == facts.weights and usage.get("example") == _example(environment, facts, kind, "")
    return usage if same else None


def _execute(folder: Path) -> str:
    command = [sys.executable, "-c", example_of(folder)]
    process = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if process.returncode:
        raise ChildProcessError(
            f"the card's example of use fails with the model in {folder}:\n{process.stderr.strip()}"
        )
    return process.stdout


def _environment() -> Environment:
    files = importlib.resources.files("lrcn_hub.model_cards")

    def load(name: str) -> str | None:
        file = files.joinpath(name)
        return file.read_text(encoding="utf-8") if file.is_file() else None

    environment = Environment(
        loader=FunctionLoader(load), undefined=ChainableUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters = (quoted, text, number, score, fenced, basename, timm_repository)
    environment.filters |= {function.__name__: function for function in filters}
    return environment


def _template(environment: Environment, kind: str | None, language: str) -> Any:
    return environment.select_template([f"{kind}.{language}.jinja", f"base.{language}.jinja"])


def _measures() -> dict[str, Any]:
    file = importlib.resources.files("lrcn_hub.model_cards").joinpath("measures.yaml")
    measures: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return measures


def quoted(value: Any) -> str:
    """Write a value so that YAML and Python both read it."""
    return json.dumps(value, ensure_ascii=False)


def text(value: Any) -> str:
    """Write text so that Markdown, in a table too, shows it as it is."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(str(value).split()))


def number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) or value.is_integer() else f"{value:.4g}"


def score(value: Any) -> str:
    """Write a metric or a loss; one that is not there is a dash."""
    return f"{value:.3f}" if isinstance(value, int | float) else "-"


def fenced(code: str, language: str) -> str:
    """Put code between fences longer than any within it."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", code))])
    return f"{fence}{language}\n{code}\n{fence}"


def basename(path: Any) -> str:
    """Name a file without telling where on this machine it lies."""
    return Path(str(path)).name


def timm_repository(name: str) -> str:
    """Name the Hub's repository of timm's weights called `name`."""
    import timm

    config = timm.get_pretrained_cfg(name)
    return str(config.hf_hub_id) if config is not None and config.hf_hub_id else f"timm/{name}"
