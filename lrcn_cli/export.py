"""``lrcn export``: a model's folder, cleaned of its run and complete in itself."""

from lrcn_cli.command import command_parser

DETAILS = """\
DIR is the folder of a finished run, one of its checkpoints, or a folder that save_pretrained of a model and its
processor wrote. OUT gets weights, configuration, processor, card, recipe, metrics and versions, and the code with
which it loads where lrcn-hub is not installed. It must be empty or not there; it appears whole or not at all."""

EXAMPLES = """
lrcn export my-captioner my-captioner-clean
lrcn export my-captioner/checkpoint-2100 my-captioner-2100
"""


def main(argv: list[str]) -> int:
    """Export a folder and name the new one."""
    parser = command_parser("export", details=DETAILS, examples=EXAMPLES)
    parser.add_argument("source", metavar="DIR", help="where the model is")
    parser.add_argument("folder", metavar="OUT", help="the folder to be made")
    arguments = parser.parse_args(argv)

    from transformers.utils import logging

    from lrcn_hub.publishing import export_folder

    logging.disable_progress_bar()
    print(export_folder(arguments.source, arguments.folder))
    return 0
