"""``lrcn convert``: weights that LRCN's authors published for Caffe, turned into a model of ours."""

import dataclasses
import json
import sys
from pathlib import Path

from lrcn_cli.command import command_parser

DETAILS = """\
Reads captioners (1u, 2u, 2f, 4f and others), activity recognisers (single frames, or LSTM), CaffeNet and the
authors' hybrid CNN from .caffemodel files; needs no Caffe. Several files complete one another, the last one counting
for a layer that is in more than one: the CNN's own file first, then the captioner's. A captioner without a CNN takes
features in the place of photos. docs/convert.md tells all."""

EXAMPLES = """
lrcn convert lrcn_iter_110000.caffemodel --vocabulary vocabulary.txt my-captioner
lrcn convert bvlc_reference_caffenet.caffemodel lrcn_words.caffemodel --vocabulary vocabulary.txt my-captioner
lrcn convert lrcn_iter_110000.caffemodel --prototxt lrcn.prototxt --vocabulary vocabulary.txt my-captioner
lrcn convert RGB_lstm_model_iter_30000.caffemodel --stream rgb --class-file classInd.txt my-recogniser
lrcn convert caffe_imagenet_hyb2_wr_rc_solver_sqrt_iter_310000.caffemodel weights/hybrid
lrcn convert bvlc_reference_caffenet.caffemodel my-caffenet
"""


def main(argv: list[str]) -> int:
    """Convert weights and say what they were."""
    parser = command_parser(
        "convert", usage="lrcn convert WEIGHTS... OUT [options]", details=DETAILS, examples=EXAMPLES
    )
    parser.add_argument(
        "paths", nargs="+", metavar="WEIGHTS... OUT", help=".caffemodel files and the folder to be made"
    )
    parser.add_argument("--prototxt", metavar="FILE", help="the weights' network, to be compared with them")
    parser.add_argument(
        "--vocabulary", metavar="FILE", help="the authors' vocabulary.txt: one word a line, <unk> first"
    )
    parser.add_argument(
        "--class-file", metavar="FILE", help="a recogniser's classes: UCF-101's classInd.txt, or one name a line"
    )
    parser.add_argument(
        "--stream", choices=["rgb", "flow"], help="what a recogniser looks at, if the files' names do not say flow"
    )
    parser.add_argument(
        "--feature", choices=["fc6", "fc7", "fc8"], help="what the model sees, where several are of its size"
    )
    parser.add_argument("--skip", metavar="LAYERS", help="layers to leave out, with commas between; conv* means many")
    parser.add_argument("--json", action="store_true", help="print what was converted as one object")
    arguments = parser.parse_intermixed_args(argv)
    *weights, folder = arguments.paths
    if not weights:
        parser.error("give the .caffemodel files and then the folder to be made")

    from lrcn_hub.caffe import convert

    converted = convert(
        [path for given in weights for path in _split(given)],
        folder,
        prototxt=arguments.prototxt,
        vocabulary=arguments.vocabulary,
        class_file=arguments.class_file,
        stream=arguments.stream,
        feature=arguments.feature,
        skip=arguments.skip.split(",") if arguments.skip else (),
    )
    for warning in converted.warnings:
        print(f"lrcn convert: {warning}", file=sys.stderr)
    if arguments.json:
        print(json.dumps({**dataclasses.asdict(converted), "folder": str(converted.folder)}, indent=2))
        return 0
    if converted.passed_over:
        print(f"passed over: {', '.join(converted.passed_over)}")
    print(f"{converted.folder}: {converted.model}")
    return 0


def _split(given: str) -> list[str]:
    """Caffe's own tools take files with commas between; a file whose name has a comma is one file."""
    return [given] if Path(given).exists() else given.split(",")
