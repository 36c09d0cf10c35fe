"""What a recipe can choose about activity recognition: the sections data, model and evaluation, one dataclass each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from lrcn_hub.data.option_names import check_names
from lrcn_hub.data.sources import MOVING_SHAPES
from lrcn_hub.data.splits import check_validation_share

CAFFENET, HYBRID = "caffenet", "hybrid"
CAFFENET_OPTIONS = ("channels", "kernel_sizes", "strides", "paddings", "groups", "fc_sizes", "dropout")
MOVING_SHAPES_OPTIONS = ("seed", "train", "validation", "test", "picture_size", "folder")


@dataclass
class ActivityDataOptions:
    """Where the labelled videos are, and what is done with them on the way into a batch."""

    reader: str = MOVING_SHAPES
    """Form of the data: ucf101, folder, csv (or JSONL), datasets, or moving-shapes, which is built in."""
    path: str = ""
    """ucf101: the folder UCF-101. folder: the folder of SPLIT/CLASS/FILE. csv: a file of paths and labels. datasets: a
    name on the Hub or a folder."""
    split: Literal[1, 2, 3] = 1
    """ucf101: which of the three official splits."""
    list_folder: str = ""
    """ucf101: where classInd.txt and the official lists are; without it, ucfTrainTestlist in or beside path."""
    train_list: str = ""
    """ucf101: list of the training videos, with the other two instead of the official lists."""
    validation_list: str = ""
    """ucf101: list of the validation videos."""
    test_list: str = ""
    """ucf101: list of the test videos."""
    train_file: str = ""
    """csv: the training videos, where each split has a file of its own."""
    validation_file: str = ""
    """csv: the validation videos."""
    test_file: str = ""
    """csv: the test videos."""
    class_file: str = ""
    """Names of the classes, one a line, in the order of their numbers; without it, those of the training videos,
    sorted."""
    video_folder: str = ""
    """csv, datasets: where the videos lie that are named; without it, beside the file that names them."""
    subset: str | None = None
    """datasets: the configuration's name, where there are several."""
    video_column: str = "video"
    """csv, datasets: column with the videos, or with their files' names."""
    label_column: str = "label"
    """csv, datasets: column with the classes."""
    id_column: str = ""
    """csv, datasets: column that tells videos apart; without it, the file's name."""
    group_column: str = ""
    """csv, datasets: column that says what was cut from one recording; without it, files named as in UCF-101 tell."""
    split_column: str = "split"
    """csv: column with train, validation or test (HMDB-51: 1 train, 2 test, 0 neither); without one all is for
    training."""
    moving_shapes: dict[str, Any] = field(default_factory=dict)
    """moving-shapes: seed, picture_size, how many videos: train, validation, test; and the folder for their files."""
    validation_share: float = 0.0
    """Share of the training videos to validate on, whole groups, where there is no validation split."""
    check_videos: Literal["all-frames", "open", "none"] = "open"
    """Before anything else decode every video, or open it and see its first frame, or only see that it is there."""
    on_bad_sample: Literal["refuse", "skip"] = "refuse"
    """What to do about videos that cannot be read: refuse them by name, or skip them and count."""
    allow_leak: bool = False
    """Go on although a video, or others of its group, are in more than one split; the model card says so."""
    license: str = ""
    """Licence under which weights learnt from these data may be published, by the Hub's name for it, such as
    cc-by-4.0; for the model card."""
    show_pictures: bool = False
    """Copy frames of a few judged videos into the model card: only where their licence allows it. Moving shapes always
    are."""
    stream: Literal["rgb", "flow"] = "rgb"
    """What the model looks at: frames, or optical flow as the authors' images of it (x, y, magnitude)."""
    frame_rate: float | None = None
    """Look at frames at this constant rate per second, which repeats or leaves out some, as the authors at 30; none:
    all frames as they are. Flow is always that between successive frames of the file."""
    flow_folder: str = "data/flow"
    """Where flow images are kept once they are computed."""
    skip_first_frame: bool = False
    """Begin no training window at a video's first frame, as the authors, whose flow begins at the second."""
    augment: bool = True
    """Train on random crops, one for all frames of a clip."""
    mirror: bool = True
    """Mirror half of the training clips, as the authors do, though motion to the left becomes one to the right; needs
    augment."""
    crop_unmirrored: bool = True
    """Crop clips that are not mirrored, too. The authors' data layer warps their whole frames instead, by a slip of
    its indentation."""
    clip_stride: int = 8
    """Frames from one test clip to the next. The last ones are the last frames of the video, as the authors do."""
    chunk_frames: int | None = None
    """Long videos: hold so many frames at a time, and carry the state from one chunk to the next. Training takes
    windows of num_frames in chunks, with the objective truncated; a video is judged whole, as one clip."""
    ten_crops: bool = False
    """Judge ten views of each clip, corners and centre and these mirrored, instead of the centre."""

    def __post_init__(self) -> None:
        if self.clip_stride < 1:
            raise ValueError(f"clip_stride is {self.clip_stride}; it must be at least 1")
        if self.chunk_frames is not None and (self.chunk_frames < 1 or self.ten_crops):
            raise ValueError(f"chunk_frames is {self.chunk_frames}; it must be at least 1, and none with ten_crops")
        check_validation_share(self.validation_share)
        if self.split not in (1, 2, 3):
            raise ValueError(f"split is {self.split}; UCF-101 has the splits 1, 2 and 3")
        if self.frame_rate is not None and (self.frame_rate <= 0 or self.stream == "flow"):
            raise ValueError(f"frame_rate is {self.frame_rate}; it must be above 0, and none for flow")
        check_names("moving_shapes", self.moving_shapes, MOVING_SHAPES_OPTIONS)


@dataclass
class ActivityModelOptions:
    """The network, where its backbone comes from, and how fast which part of it learns."""

    num_frames: int = 16
    """Frames of a clip; 1 for networks of single frames."""
    num_layers: int = 1
    """Recurrent layers; 0 is the single-frame baseline, which averages what it says of each frame."""
    hidden_size: int = 256
    """Units of each recurrent layer."""
    cell: Literal["lstm", "rnn"] = "lstm"
    """Recurrent cell."""
    feature_dropout: float = 0.9
    """Dropout of a frame's feature."""
    lstm_dropout: float = 0.5
    """Dropout after each recurrent layer."""
    initializer_range: float = 0.01
    """New recurrent weights are drawn evenly from minus to plus this, new class weights normally with this
    deviation."""

    backbone: str = HYBRID
    """The network that sees: hybrid, the authors' for videos, caffenet, or any name that timm knows, such as
    resnet18."""
    backbone_options: dict[str, Any] = field(default_factory=dict)
    """Sizes of another CaffeNet or hybrid (channels, kernel_sizes, strides, paddings, groups, fc_sizes, dropout), or
    arguments for timm's create_model."""
    backbone_pretrained: bool = False
    """Begin with timm's published weights, from its cache or the Hub."""
    backbone_weights: str | None = None
    """Begin with the weights in this safetensors file."""
    feature: str | None = None
    """What the backbone gives: fc6, fc7 or fc8 (hybrid, CaffeNet, VGG), pooled, or grid, which keeps place; none: fc6
    for hybrid and CaffeNet, else pooled."""
    image_size: int | None = None
    """Side of the square that the backbone sees; none: its own."""
    preprocessing: dict[str, Any] = field(default_factory=dict)
    """Values of the video processor that are to differ from the backbone's own, such as image_mean."""

    train_backbone: Literal["frozen", "last-layer", "whole"] = "whole"
    """What is trained of the backbone; the authors train the whole."""
    backbone_learning_rate_multiplier: float = 1.0
    """How fast what is trained of the backbone learns, against the recurrent layers."""
    classifier_learning_rate_multiplier: float = 1.0
    """How fast the class scores learn, against the recurrent layers; the authors' fc8-final has 10."""
    bias_learning_rate_multiplier: float = 2.0
    """How fast the biases of the backbone and the class scores learn, against their weights; they do not decay. The
    authors' 2 is Caffe's custom, else 1 is usual. Recurrent biases learn and decay as weights do."""

    def __post_init__(self) -> None:
        for name in ("num_frames", "image_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        if self.backbone in (CAFFENET, HYBRID):
            check_names("backbone_options", self.backbone_options, CAFFENET_OPTIONS)


@dataclass
class ActivityEvaluationOptions:
    """How the frames of a video are looked at when it is judged."""

    frames_at_once: int = 64
    """Frames that go through the backbone together; fewer need less memory."""
    early_recognition: bool = False
    """Also say how accurate answers are after 10 to 100% of each video, and how many frames are saved by stopping as
    soon as a class has a certain probability: early_recognition.json and .png."""

    def __post_init__(self) -> None:
        if self.frames_at_once < 1:
            raise ValueError(f"frames_at_once is {self.frames_at_once}; it must be at least 1")
