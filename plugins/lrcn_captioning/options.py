"""What a recipe can choose about captioning: the sections data, model and evaluation, one dataclass each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from lrcn_hub.data.option_names import check_names
from lrcn_hub.data.sources import MOVING_SHAPES
from lrcn_hub.data.splits import check_validation_share
from lrcn_hub.sentences.options import SentenceEvaluationOptions

CAFFENET = "caffenet"
CAFFENET_OPTIONS = ("channels", "fc_sizes", "dropout")
MOVING_SHAPES_OPTIONS = ("seed", "split", "train", "validation", "test", "picture_size")


@dataclass
class CaptioningDataOptions:
    """Where the captioned pictures are, and what is done with them on the way into a batch."""

    reader: str = MOVING_SHAPES
    """Form of the data: coco, karpathy, flickr, folder, datasets, or moving-shapes, which is built in."""
    path: str = ""
    """karpathy: his dataset_*.json. flickr: the token file. folder: the folder that holds metadata.jsonl. datasets: a
    name on the Hub or a folder."""
    image_folder: str = ""
    """Where the pictures lie; without it, beside the file that names them. COCO's folders train2014, val2014, ... in
    it are found."""
    train_file: str = ""
    """coco: annotations of the training pictures, captions_*.json."""
    validation_file: str = ""
    """coco: annotations of the validation pictures."""
    test_file: str = ""
    """coco: annotations of the test pictures."""
    train_list: str = ""
    """coco, flickr: file with the ids of the training pictures, one a line. With lists all annotation files are read
    together, then divided by them."""
    validation_list: str = ""
    """coco, flickr: ids of the validation pictures."""
    test_list: str = ""
    """coco, flickr: ids of the test pictures."""
    restval_in_train: bool = True
    """karpathy: train on the pictures of his split restval, too."""
    subset: str | None = None
    """datasets: the configuration's name, where there are several."""
    image_column: str = "image"
    """datasets: column with the pictures, or with their files' names."""
    captions_column: str = "captions"
    """datasets: column with one caption or a list of them, or several columns with commas between."""
    id_column: str = ""
    """datasets: column that tells pictures apart; rows of one id become one picture with all their captions."""
    moving_shapes: dict[str, Any] = field(default_factory=dict)
    """moving-shapes: seed, split (pairs or combinations), picture_size, and how many pictures: train, validation,
    test."""
    validation_share: float = 0.0
    """Share of the training pictures to validate on, where there is no validation split."""
    check_images: bool = True
    """Decode every picture before anything else; otherwise only see that the files are there."""
    on_bad_sample: Literal["refuse", "skip"] = "refuse"
    """What to do about pictures that cannot be read or have no caption: refuse them by name, or skip them and
    count."""
    allow_leak: bool = False
    """Go on although a picture is in more than one split; the model card says so."""
    license: str = ""
    """Licence under which weights learnt from these data may be published, by the Hub's name for it, such as
    cc-by-4.0; for the model card."""
    show_pictures: bool = False
    """Copy a few judged pictures into the model card: only where their licence allows it. Moving shapes always
    are."""
    captions_per_image: int | None = 1
    """Captions of a picture used in a step, drawn anew each time, sharing one pass through the CNN; none: all. The
    authors train on single pairs: 1."""
    max_length: int = 20
    """Time steps: a longer caption is cut, and then never told to end."""
    augment: bool = True
    """Train on random crops."""
    mirror: bool = True
    """Mirror half of the training pictures, as the authors do, though "left" becomes wrong; needs augment."""

    def __post_init__(self) -> None:
        if self.captions_per_image is not None and self.captions_per_image < 1:
            raise ValueError(
                f"captions_per_image is {self.captions_per_image}; it must be at least 1, or none for all"
            )
        if self.max_length < 1:
            raise ValueError(f"max_length is {self.max_length}; it must be at least 1")
        check_validation_share(self.validation_share)
        check_names("moving_shapes", self.moving_shapes, MOVING_SHAPES_OPTIONS)


@dataclass
class CaptioningModelOptions:
    """The network, where its backbone comes from, and how fast which part of it learns."""

    wiring: str | None = None
    """How picture and words meet in the recurrent layers, in the paper's words: 1u, 2u, 2f or 4f; without it,
    num_layers and visual_layer say so, and without these it is 2f."""
    num_layers: int | None = None
    """Recurrent layers, instead of a wiring."""
    visual_layer: int | None = None
    """The layer, counted from 1, that sees the picture, instead of a wiring."""
    cell: Literal["lstm", "rnn"] = "lstm"
    """Recurrent cell; rnn is the paper's ablation."""
    embedding_size: int = 1000
    """Values for a word."""
    hidden_size: int = 1000
    """Units of each recurrent layer."""
    embedding_dropout: float = 0.0
    """Dropout of the word embedding; the authors' captioners have none."""
    lstm_dropout: float = 0.0
    """Dropout after each recurrent layer; the authors' captioners have none."""
    initializer_range: float = 0.08
    """New recurrent and word weights are drawn evenly from minus to plus this."""

    backbone: str = "caffenet"
    """The network that sees: caffenet, the authors', or any name that timm knows, such as resnet50."""
    backbone_options: dict[str, Any] = field(default_factory=dict)
    """Sizes of another CaffeNet (channels, fc_sizes, dropout), or arguments for timm's create_model."""
    backbone_pretrained: bool = False
    """Begin with timm's published weights, from its cache or the Hub."""
    backbone_weights: str | None = None
    """Begin with the weights in this safetensors file."""
    feature: str | None = None
    """What the backbone gives: fc6, fc7 or fc8 (CaffeNet, VGG), pooled, or grid, which keeps place; none: fc8 for
    CaffeNet, else pooled."""
    image_size: int | None = None
    """Side of the square picture that the backbone sees; none: its own."""
    preprocessing: dict[str, Any] = field(default_factory=dict)
    """Values of the image processor that are to differ from the backbone's own, such as do_center_crop: false."""

    train_backbone: Literal["frozen", "last-layer", "whole"] = "whole"
    """What is trained of the backbone. The authors train its last layer, fc8, first, and the whole in a second
    stage."""
    backbone_learning_rate_multiplier: float = 0.1
    """How fast what is trained of the backbone learns, against the rest."""
    bias_learning_rate_multiplier: float = 2.0
    """How fast the biases of the backbone and of the word prediction learn, against their weights; they do not decay.
    The authors' 2 is Caffe's custom, else 1 is usual."""

    tokenizer: str = "authors"
    """authors: their way of cutting words, over the words of the training captions; else a tokenizer's folder, or name
    on the Hub."""
    min_count: int = 5
    """Words that are rarer in the training captions become unknown, for the authors' tokenizer."""
    vocabulary: str | None = None
    """File of words, one a line, to use instead of those of the training captions, for the authors' tokenizer."""

    def __post_init__(self) -> None:
        if self.image_size is not None and self.image_size < 1:
            raise ValueError(f"image_size is {self.image_size}; it must be at least 1")
        if self.backbone == CAFFENET:
            check_names("backbone_options", self.backbone_options, CAFFENET_OPTIONS)


@dataclass
class CaptioningEvaluationOptions(SentenceEvaluationOptions):
    """How captions are found for a picture."""
