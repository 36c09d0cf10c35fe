"""Makes ``transformers.pipeline`` know our captioners as "image-to-text" and our narrators as "video-to-text".

Nothing is changed for other models. transformers 5 removed the pipeline of the first task. Since 5.19 its name stands
for "image-text-to-text", whose pipeline refuses a picture without a prompt; before, the name is unknown. The second
name it does not know.
"""

import functools
from typing import Any

import transformers
from transformers import Pipeline, PreTrainedModel, pipelines
from transformers.utils.logging import get_logger

from lrcn_hub.models.configuration_lrcn import LrcnCaptioningConfig
from lrcn_hub.models.pipeline_lrcn import LrcnImageToTextPipeline
from lrcn_hub.models.pipeline_narration_lrcn import LrcnVideoToTextPipeline

TASK, STOCK_TASK = "image-to-text", "image-text-to-text"
VIDEO_TASK = "video-to-text"


class ImageToTextByModel(LrcnImageToTextPipeline):
    """What the registry holds as the task's class; made with another model than ours, it gives the stock pipeline.

    The registry knows one class for a task, but only the model tells whose pipeline it needs. Models are told apart by
    `model_type`: one that brought its own code from the Hub is of a class that was never seen here.
    """

    def __new__(cls, model: PreTrainedModel, task: str = TASK, **kwargs: Any) -> Pipeline:
        if model.config.model_type == LrcnCaptioningConfig.model_type:
            return LrcnImageToTextPipeline(model=model, task=task, **kwargs)
        if not hasattr(pipelines, "_resolve_deprecated_task"):
            version = transformers.__version__
            raise KeyError(f"Unknown task {TASK} for {model.config.model_type}: not in transformers {version}")
        # The stock redirection says so too, by a call that logging answers with a traceback.
        get_logger("transformers.pipelines").warning_once(
            f"The task `{TASK}` is `{STOCK_TASK}` now, and so is the pipeline made for {model.config.model_type}."
        )
        return transformers.pipeline(STOCK_TASK, model=model, **kwargs)


def register_image_to_text() -> None:
    """Enter the task, and let its name through the redirection of transformers 5.19 and later."""
    tasks = pipelines.PIPELINE_REGISTRY.supported_tasks
    tasks[TASK] = {**tasks[STOCK_TASK], "impl": ImageToTextByModel}
    redirect = getattr(pipelines, "_resolve_deprecated_task", None)
    if redirect is not None:
        pipelines._resolve_deprecated_task = functools.wraps(redirect)(
            lambda task: task if task == TASK else redirect(task)
        )


def register_video_to_text() -> None:
    """Enter the task; other models than narrators are told that it is not theirs."""
    tasks = pipelines.PIPELINE_REGISTRY.supported_tasks
    tasks[VIDEO_TASK] = {**tasks[STOCK_TASK], "impl": LrcnVideoToTextPipeline}
