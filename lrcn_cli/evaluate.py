"""``lrcn evaluate``: the arguments are those of `lrcn_hub.training.evaluate_main`."""

import sys

from lrcn_cli.command import asks_for_help, command_parser

DETAILS = """arguments:
  DIR                     the folder of a trained model
  --split NAME            what to judge it on; default: test
  --compare OTHER         another run's folder, or one that an evaluation wrote, to compare with in report.html
  --output FOLDER         where metrics, predictions and report.html go; default: DIR/evaluation/SPLIT
  --json                  print the metrics as one object
  --SECTION.OPTION VALUE  a value that differs from the run that trained it

`lrcn evaluate DIR --help` lists every option of the model's task, which loads it."""

EXAMPLES = """
lrcn evaluate my-captioner
lrcn evaluate my-captioner --split validation --json
lrcn evaluate my-captioner --compare my-older-captioner
"""


def main(argv: list[str]) -> int:
    """Judge a model; returns the exit code."""
    parser = command_parser("evaluate", usage="lrcn evaluate DIR [options]", details=DETAILS, examples=EXAMPLES)
    if asks_for_help(argv):
        parser.print_help()
        return 0
    if not argv:
        parser.print_help(sys.stderr)
        return 2
    from lrcn_hub import training

    return training.evaluate_main(argv)
