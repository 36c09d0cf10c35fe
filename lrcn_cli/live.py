"""What ``lrcn watch`` makes of live video, by the kind of its model: decisions, or sentences."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

if TYPE_CHECKING:
    from lrcn_hub.streaming import LiveEvents, LiveSession, LiveSubtitles, LiveView

USUAL_SECONDS = 10.0  # between sentences, where nothing says when an event ends


class Recognition:
    """A recogniser, and how it is to watch `sources` videos."""

    foreign: ClassVar = ("every_seconds", "state_threshold", "min_event", "num_beams", "subtitles")

    def __init__(self, model: Any, processor: Any, arguments: argparse.Namespace):
        self.model, self.processor, self.arguments = model, processor, arguments

    @staticmethod
    def check(config: Any, processor: Any, arguments: argparse.Namespace) -> None:
        """Raise ValueError for a model that cannot watch."""
        if getattr(processor.video_processor, "stream", "rgb") != "rgb":
            raise ValueError(f"{arguments.model} looks at optical flow, and only frames can be watched live")

    def session(self) -> "LiveSession":
        from lrcn_hub.models import LrcnStreamState
        from lrcn_hub.streaming import load_state

        given = self.arguments
        return self.model.stream(
            len(given.sources),
            state=load_state(given.state, len(given.sources), LrcnStreamState),
            processor=self.processor,
            half_life_seconds=given.half_life,
            scene_threshold=given.scene_threshold,
            max_batch=given.max_batch,
        )

    def view(self, file: TextIO) -> "LiveView":
        from lrcn_hub.streaming import TerminalView

        return TerminalView(file, self.model.config.id2label, top=self.arguments.top_k)

    def events(self, write: Any, rules: Any) -> "LiveEvents":
        from lrcn_hub.streaming import Events

        return Events(write, rules)

    def close(self) -> None:
        """Nothing is open."""


class Narration:
    """A narrator, and how it is to watch `sources` videos."""

    foreign: ClassVar = ("half_life",)

    def __init__(self, model: Any, processor: Any, arguments: argparse.Namespace):
        self.model, self.processor, self.arguments = model, processor, arguments
        self._goes_on = False
        self._subtitles: LiveSubtitles | None = None

    @staticmethod
    def check(config: Any, processor: Any, arguments: argparse.Namespace) -> None:
        """Raise ValueError for a model that cannot watch, and for options that contradict one another."""
        if config.variant != "frames":
            raise ValueError(
                f"{arguments.model} is a narrator of the variant {config.variant!r}, which cannot watch videos: it "
                "reads nodes, not frames"
            )
        if arguments.subtitles and arguments.reset_on_reconnect:
            raise ValueError("--reset-on-reconnect sets the clock back, and subtitles have one clock: leave out one")
        processor.check_model(config)

    def session(self) -> "LiveSession":
        from lrcn_hub.models import LrcnNarrationState
        from lrcn_hub.streaming import load_state

        given = self.arguments
        state = load_state(given.state, len(given.sources), LrcnNarrationState)
        self._goes_on = state is not None
        boundaries = (given.every_seconds, given.scene_threshold, given.state_threshold)
        return self.model.stream(
            self.processor,
            len(given.sources),
            state=state,
            every_seconds=USUAL_SECONDS if boundaries == (None, None, None) else given.every_seconds,
            scene_threshold=given.scene_threshold,
            state_threshold=given.state_threshold,
            min_event_seconds=1.0 if given.min_event is None else given.min_event,
            generate={"num_beams": given.num_beams} if given.num_beams else {},
            max_batch=given.max_batch,
        )

    def view(self, file: TextIO) -> "LiveView":
        from lrcn_hub.streaming import NarrationView

        return NarrationView(file, top=self.arguments.top_k)

    def events(self, write: Any, rules: Any) -> "LiveEvents":
        from lrcn_hub.streaming import LiveSubtitles, NarrationEvents

        if self.arguments.subtitles:
            file, sources = Path(self.arguments.subtitles), len(self.arguments.sources)
            self._subtitles = LiveSubtitles(file, sources, going_on=self._goes_on)
        return NarrationEvents(write, rules, say=self._subtitles.say if self._subtitles else None)

    def close(self) -> None:
        """Close the subtitles."""
        if self._subtitles:
            self._subtitles.close()


def load(arguments: argparse.Namespace) -> "Recognition | Narration":
    """Load model and processor; raises ValueError for a model that cannot watch, before its weights are read."""
    import torch
    from transformers import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING,
        AutoConfig,
        AutoProcessor,
    )
    from transformers.utils import logging

    from lrcn_hub.plugins import task_names

    task_names()  # a plugin's own models are known to transformers once it is loaded
    logging.disable_progress_bar()
    name, config = arguments.model, AutoConfig.from_pretrained(arguments.model)
    networks: list[tuple[Any, type[Recognition] | type[Narration]]] = [
        (MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING.get(type(config), None), Recognition),
        (MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING.get(type(config), None), Narration),
    ]
    network, kind = next((one for one in networks if hasattr(one[0], "stream")), (None, None))
    if network is None or kind is None:
        raise ValueError(
            f"{name} is a model of the type {config.model_type!r}, which cannot watch videos; give a recogniser or a "
            "narrator"
        )
    for option in kind.foreign:
        if getattr(arguments, option) is not None:
            other = Narration if kind is Recognition else Recognition
            raise ValueError(
                f"--{option.replace('_', '-')} is for {other.__name__.lower()}, but {name} is no such model"
            )
    processor = AutoProcessor.from_pretrained(name)
    kind.check(config, processor, arguments)
    place = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return kind(network.from_pretrained(name).to(place, getattr(torch, arguments.dtype)).eval(), processor, arguments)
