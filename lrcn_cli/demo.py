"""``lrcn demo``: the arguments are those of `lrcn_hub.demo.main`."""

from lrcn_cli.command import asks_for_help, command_parser

DETAILS = """\
Needs no network and no data: pictures and videos of moving shapes are made on the spot. It trains a captioner, a
recogniser and narrators side by side for some minutes, judges them on held-out ones beside baselines, loads what it
exported in a new process, watches and narrates videos live and writes an HTML report.

arguments:
  --output_dir DIR   where models and report go (default outputs/demo)
  --split SPLIT      what is held out of the pictures: pairs of objects never seen together (the default), or
                     combinations of colour and shape never seen on one object
  --thorough         compare more, in about twice the time: a captioner on combinations as well, on videos networks
                     that see single frames or the mean of all, and narrators of the likeliest labels
  --seed N           draws other pictures, videos and initial weights (default 0)

Every option of `lrcn train` goes as well, for all trainings, such as --max_steps 200, or --overwrite_output_dir to
begin anew; with a task's name before it for that task alone, such as --captioning.max_steps 200."""

EXAMPLES = """
lrcn demo
lrcn demo --output_dir my-demo --thorough
"""


def main(argv: list[str]) -> int:
    """Run the demo; returns the exit code."""
    if asks_for_help(argv):
        command_parser("demo", usage="lrcn demo [options]", details=DETAILS, examples=EXAMPLES).print_help()
        return 0
    from lrcn_hub import demo

    return demo.main(argv)
