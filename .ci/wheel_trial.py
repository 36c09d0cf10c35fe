"""What the wheel must be able to do where no checkout is: train a few steps, reload, caption."""

import subprocess
import sys
from pathlib import Path

import lrcn_hub
from lrcn_hub.data.moving_shapes import draw_scene, random_scene  # noqa: F401 - the built-in data came along

assert "site-packages" in lrcn_hub.__file__, lrcn_hub.__file__
command = [str(Path(sys.executable).parent / "lrcn"), "train", "--task", "captioning", "--recipe", "captioning_demo"]
sizes = [f"--data.moving_shapes.{split}={rows}" for split, rows in (("train", 64), ("validation", 8), ("test", 8))]
small = ["--output_dir", "model", "--max_steps", "2", *sizes]
subprocess.run([*command, *small], check=True)

from transformers import pipeline  # noqa: E402 - after the training process

from lrcn_hub.data.moving_shapes import load_captioning_tables  # noqa: E402

picture = load_captioning_tables(train=1, validation=1, test=1)["test"][0]["image"]
answer = pipeline("image-to-text", model="model")(picture)
assert isinstance(answer[0]["generated_text"], str), answer
assert "## Evaluation" in Path("model/README.md").read_text(encoding="utf-8"), "the wheel writes no model card"
print("the wheel trains, reloads and captions")
