"""``lrcn train``: the arguments are those of ``train.py``, which are the task's and so known only to it."""

import sys

from lrcn_cli.command import asks_for_help, command_parser

DETAILS = """arguments:
  --task NAME             what to train; `lrcn tasks` lists them
  --recipe FILE_OR_NAME   a YAML file of values, or the name of a recipe that comes with lrcn-hub
  --SECTION.OPTION VALUE  any value of the recipe's sections data, model, training and evaluation;
                          without the section where the option's name is unique

`lrcn train --task NAME --help` lists every option of the task, which loads it. On several GPUs:
`accelerate launch --config_file accelerate_config.yaml train.py` with the same arguments."""

EXAMPLES = """
lrcn train --task captioning --help
lrcn train --task captioning --recipe RECIPE.yaml --output_dir my-captioner
lrcn train --task captioning --recipe RECIPE.yaml --output_dir my-captioner --training.max_steps 500
"""


def main(argv: list[str]) -> int:
    """Train; returns the exit code."""
    parser = command_parser("train", usage="lrcn train --task NAME [options]", details=DETAILS, examples=EXAMPLES)
    if asks_for_help(argv):
        parser.print_help()
        return 0
    if not argv:
        parser.print_help(sys.stderr)
        return 2
    from lrcn_hub import training

    return training.main(argv)
