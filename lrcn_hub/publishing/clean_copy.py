"""A model's folder without what its run left beside it, and with the code that it needs elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_hub.plugins import task_names
from lrcn_hub.publishing.export import CONFIG_FILE, RECIPE_FILE, VERSIONS_FILE, check_is_new, export_new
from lrcn_hub.publishing.push import pictures_of_card

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CARD_FILE, DATA_FILE = "README.md", "data.json"
# What tells of the model, beside what it is loaded from; the card is written from these.
OF_THE_RUN = (RECIPE_FILE, VERSIONS_FILE, DATA_FILE)
OF_THE_MODEL = (
    *("metrics.json", "evaluation/*/metrics.json", "history.jsonl", "conversion.json", "card.json"),
    *(CARD_FILE, "assets/*.png", "LICENSE*", "NOTICE*"),
)
PROCESSOR_FILES = (
    *("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json"),
    *("tokenizer_config.json", "tokenizer.json"),
)


def export_folder(source: str | Path, folder: str | Path) -> Path:
    """Write the model in `source` to the new folder `folder`: weights, configuration, processor, code, card.

    `source` is the folder of a finished run, one of its checkpoints, or what ``save_pretrained`` of a model and its
    processor wrote; it stays as it is. The copy appears whole or not at all.

    Raises OSError that names the file which is missing, ValueError where `folder` is not new or a file is damaged.
    """
    source, folder = Path(source), Path(folder)
    check_is_new(folder)
    check_is_complete(source)
    task_names()  # a plugin's own models are known to transformers once it is loaded
    export_new(load_model(source), load_processor(source), folder, {}, files=files_beside(source))
    return folder


def check_is_complete(source: Path) -> None:
    """Raise FileNotFoundError, with the way out, where a file is missing without which there is no model."""
    if not source.is_dir():
        raise FileNotFoundError(f"{source} is no folder; give that of a trained model")
    if not (source / CONFIG_FILE).is_file():
        checkpoints = sorted(source.glob("checkpoint-*"), key=lambda path: path.stat().st_mtime)
        way_out = "give the folder of a trained model"
        if checkpoints:
            way_out = f"its training has not ended: finish it, or give a checkpoint such as {checkpoints[-1]}"
        raise FileNotFoundError(f"{source} has no {CONFIG_FILE}; {way_out}")
    if not any(source.glob("*.safetensors")):
        raise FileNotFoundError(
            f"{source} has no model.safetensors; save the model there (save_pretrained), or give another folder"
        )
    if not any((source / name).is_file() for name in PROCESSOR_FILES):
        raise FileNotFoundError(
            f"{source} has no {PROCESSOR_FILES[0]}, nor {' or '.join(PROCESSOR_FILES[1:])}; "
            "save the model's processor there (save_pretrained)"
        )


def files_beside(source: Path) -> dict[str, Path]:
    """Find the files that tell of the model in `source`, by their names; those of its run, for a checkpoint."""
    run = source.parent if re.fullmatch(r"checkpoint-\d+", source.name) else source
    found = {name: run / name for name in OF_THE_RUN if (run / name).is_file()}
    kept = [path for pattern in OF_THE_MODEL for path in source.glob(pattern) if path.is_file()]
    if (source / CARD_FILE).is_file():
        kept += [source / name for name in pictures_of_card(source)]
    return found | {path.relative_to(source).as_posix(): path for path in kept}


def load_processor(folder: Path) -> Any:
    """Load the processor of a model; FileNotFoundError where its tokenizer's file is missing."""
    from transformers import AutoProcessor

    try:
        return AutoProcessor.from_pretrained(folder)
    except (OSError, ValueError) as error:
        if (folder / "tokenizer.json").is_file():
            raise
        raise FileNotFoundError(
            f"{folder} has no tokenizer.json, which its processor needs; save the processor there (save_pretrained)"
        ) from error


def load_model(folder: Path) -> PreTrainedModel:
    """Load the model of an exported folder as the class that was trained.

    That is what AutoModel gives, or for transformers' own architectures, of which it gives the body alone, the class
    named in the configuration. A task's own classes must be registered with the Auto classes. Weights are read from
    safetensors alone.
    """
    import transformers

    architecture = (transformers.AutoConfig.from_pretrained(folder).architectures or [""])[0]
    named = getattr(transformers, architecture, None)
    known = isinstance(named, type) and issubclass(named, transformers.PreTrainedModel)
    kind: Any = named if known else transformers.AutoModel
    model: PreTrainedModel = kind.from_pretrained(folder, use_safetensors=True)
    return model
