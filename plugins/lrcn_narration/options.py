"""What a recipe can choose about narration: the sections data, model and evaluation, one dataclass each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from lrcn_hub.data.option_names import check_names
from lrcn_hub.data.sources import MOVING_SHAPES
from lrcn_hub.data.splits import check_validation_share
from lrcn_hub.sentences.options import SentenceEvaluationOptions

CAFFENET = "caffenet"
CAFFENET_OPTIONS = ("channels", "kernel_sizes", "strides", "paddings", "groups", "fc_sizes", "dropout")
MOVING_SHAPES_OPTIONS = ("seed", "train", "validation", "test", "picture_size", "videos", "folder")


@dataclass
class NarrationDataOptions:
    """Where the videos are, or what is known of them, and what people say of them."""

    reader: str = MOVING_SHAPES
    """Form of the data: tacos, msrvtt, vatex, youcook2, msvd, folder (metadata.jsonl), datasets, or moving-shapes,
    which is built in."""
    path: str = ""
    """msrvtt, youcook2: JSON annotations of all splits. folder: the folder that holds metadata.jsonl. datasets: a name
    on the Hub or a folder."""
    video_folder: str = ""
    """Where the videos lie, in whatever folders in it, found by their names with any ending; without it, beside the
    file that names them, or, with a node_file, no videos are looked for."""
    train_file: str = ""
    """tacos, msrvtt, vatex, youcook2, msvd: annotations for training, where each split has a file of its own."""
    validation_file: str = ""
    """The same for validation."""
    test_file: str = ""
    """The same for test."""
    train_list: str = ""
    """msvd: names of the training videos, one a line. With lists all files are read together, then divided by them; a
    split without a list keeps those of its file that no list names."""
    validation_list: str = ""
    """msvd: names of the validation videos."""
    test_list: str = ""
    """msvd: names of the test videos, as in testing_id.txt."""
    language: Literal["en", "zh"] = "en"
    """vatex: tell in English (enCap) or Chinese (chCap)."""
    node_file: str = ""
    """What is known of each row's nodes: JSONL or NPZ files with labels or distributions by row id, commas between;
    or, for rows that carry their own (folder, datasets), a JSON file of the nodes' labels."""
    level: str = ""
    """Which sentences: moving-shapes: event (the default) or scene; else only those of this level of detail, such as
    detailed, short or single, where the data tell levels; none: all."""
    overlaps: Literal["refuse", "keep"] | None = None
    """What to do about segments of a video that overlap at one level of detail; none: keep those of tacos and
    youcook2, which are published with them, and refuse others."""
    subset: str | None = None
    """datasets: the configuration's name, where there are several."""
    video_column: str = "video"
    """datasets: column with the videos, or with their files' names; empty: there are none."""
    sentences_column: str = "sentences"
    """datasets: column with one sentence or a list of them, or several columns with commas between."""
    start_column: str = ""
    """datasets: column with a segment's start in seconds; without it, segments begin with their video."""
    end_column: str = ""
    """datasets: column with a segment's end in seconds; without it, segments end with their video."""
    nodes_column: str = ""
    """datasets: column with node labels or distributions, in the form of node files."""
    level_column: str = ""
    """datasets: column with the level of detail."""
    id_column: str = ""
    """datasets: column that tells rows apart; those of one id become one row with all their sentences."""
    moving_shapes: dict[str, Any] = field(default_factory=dict)
    """moving-shapes: seed, picture_size, whether there are videos, how many rows: train, validation, test; and the
    folder for their files."""
    validation_share: float = 0.0
    """Share of the training videos to validate on, where there is no validation split."""
    check_videos: Literal["all-frames", "open", "none"] = "open"
    """Before anything else decode every video, or open it and see its first frame, or only see that it is there."""
    on_bad_sample: Literal["refuse", "skip"] = "refuse"
    """What to do about rows that cannot be used: refuse them by name, or skip them and count."""
    allow_leak: bool = False
    """Go on although a video is in more than one split; the model card says so."""
    license: str = ""
    """Licence under which weights learnt from these data may be published, by the Hub's name for it, such as
    cc-by-4.0; for the model card."""
    show_pictures: bool = False
    """Copy frames of a few judged videos into the model card: only where their licence allows it. Moving shapes always
    are."""
    sentences_per_row: int | None = 1
    """Sentences of a row used in a step, drawn anew each time, sharing one pass through the encoder; none: all."""
    max_length: int = 20
    """Time steps: a longer sentence is cut, and then never told to end."""

    def __post_init__(self) -> None:
        if self.sentences_per_row is not None and self.sentences_per_row < 1:
            raise ValueError(f"sentences_per_row is {self.sentences_per_row}; it must be at least 1, or none for all")
        if self.max_length < 1:
            raise ValueError(f"max_length is {self.max_length}; it must be at least 1")
        check_validation_share(self.validation_share)
        if self.language not in ("en", "zh"):
            raise ValueError(f"language is {self.language!r}; VATEX is told in en and zh")
        check_names("moving_shapes", self.moving_shapes, MOVING_SHAPES_OPTIONS)


@dataclass
class NarrationModelOptions:
    """What the narrator reads and how, its layers, and how fast which part of it learns."""

    variant: Literal["encoder-decoder", "decoder-max", "decoder-prob", "frames"] = "decoder-prob"
    """What is read: encoder-decoder, the likeliest labels of the nodes as a sentence; decoder-max, these as ones in a
    vector, seen at every step; decoder-prob, the nodes' distributions in its place; frames, the video's frames."""
    absent_label: str = "none"
    """The label of a node that says that there is no such thing."""
    frame_rate: float | None = 2.5
    """frames: read so many frames per second, the first one at or after each tick, about every tenth as S2VT does;
    none: all."""
    max_frames: int = 80
    """frames: read at most so many, the first ones; 80 is S2VT's."""
    frame_reader: Literal["shared", "separate", "mean"] = "shared"
    """frames: shared, S2VT's stack of two layers that reads and then speaks; separate, one stack reads and another
    speaks; mean, the mean of the frames' features is seen at every step."""
    frame_size: int = 500
    """frames: to how many values a frame's feature is brought before it is read; S2VT: 500."""
    schedule: Literal["apart", "overlapping"] = "apart"
    """encoder-decoder, frames: apart, a start word of its own after all that is read; overlapping, the last step that
    reads says the first word."""
    share_stack: bool = True
    """encoder-decoder: one recurrent stack reads and speaks, as in the paper, or two."""
    num_layers: int = 2
    """Recurrent layers."""
    visual_layer: int = 1
    """The layer, counted from 1, that sees the nodes or the mean feature at every step; the paper's is unfactored,
    1."""
    embedding_size: int = 1000
    """Values for a word."""
    hidden_size: int = 1000
    """Units of each recurrent layer."""
    embedding_dropout: float = 0.0
    """Dropout of the word embedding."""
    lstm_dropout: float = 0.0
    """Dropout after each recurrent layer."""
    initializer_range: float = 0.08
    """New recurrent and word weights are drawn evenly from minus to plus this."""
    forget_bias: float = 0.0
    """With what the biases of new forget gates begin: Caffe's are 0; with 1 or 2 a layer soon learns to remember what
    was long ago."""

    backbone: str = CAFFENET
    """frames: the network that sees: caffenet, the authors', or any name that timm knows, such as resnet18."""
    backbone_options: dict[str, Any] = field(default_factory=dict)
    """Sizes of another CaffeNet (channels, kernel_sizes, strides, paddings, groups, fc_sizes, dropout), or arguments
    for timm's create_model."""
    backbone_pretrained: bool = False
    """Begin with timm's published weights, from its cache or the Hub."""
    backbone_weights: str | None = None
    """Begin with the weights in this safetensors file."""
    feature: str | None = None
    """What the backbone gives: fc6, fc7 or fc8 (CaffeNet, VGG), pooled, or grid, which keeps place; none: fc7 for
    CaffeNet, else pooled."""
    image_size: int | None = None
    """Side of the square that the backbone sees; none: its own."""
    preprocessing: dict[str, Any] = field(default_factory=dict)
    """Values of the video processor that are to differ from the backbone's own, such as image_mean."""
    train_backbone: Literal["frozen", "last-layer", "whole"] = "frozen"
    """What is trained of the backbone; S2VT trains nothing of it but its last layer."""
    backbone_learning_rate_multiplier: float = 0.1
    """How fast what is trained of the backbone learns, against the rest."""
    bias_learning_rate_multiplier: float = 2.0
    """How fast the biases of the backbone and of the word prediction learn, against their weights; they do not decay.
    The authors' 2 is Caffe's custom, else 1 is usual."""

    tokenizer: str = "authors"
    """authors: their way of cutting words, over the words of the training sentences; else a tokenizer's folder, or
    name on the Hub."""
    min_count: int = 5
    """Words that are rarer in the training sentences become unknown, for the authors' tokenizer."""
    vocabulary: str | None = None
    """File of words, one a line, to use instead of those of the training sentences, for the authors' tokenizer."""

    def __post_init__(self) -> None:
        if self.image_size is not None and self.image_size < 1:
            raise ValueError(f"image_size is {self.image_size}; it must be at least 1")
        if self.frame_rate is not None and self.frame_rate <= 0:
            raise ValueError(f"frame_rate is {self.frame_rate}; it must be above 0, or none for all frames")
        if self.backbone == CAFFENET:
            check_names("backbone_options", self.backbone_options, CAFFENET_OPTIONS)


@dataclass
class NarrationEvaluationOptions(SentenceEvaluationOptions):
    """How sentences are found for a row."""

    template: str = ""
    """Also report what this sentence gives with the likeliest labels in it, a floor for narrators of nodes: such as
    "the {colour} {shape} {action}{ place}", where absent labels are left out with the blanks in their braces."""
