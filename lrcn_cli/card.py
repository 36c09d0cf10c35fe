"""``lrcn card``: writes a model's card anew, or shows that of a model which is still to be trained."""

from pathlib import Path

from lrcn_cli.command import command_parser

DETAILS = """\
Writes README.md in a model's folder from the files beside it, after running its example of use in a new process, which
takes some seconds. Instead of a folder, the name of a model to be published prints its card, with what is not measured
marked so. docs/model_cards.md tells all."""

EXAMPLES = """
lrcn card my-captioner
lrcn card my-captioner --name user/lrcn-coco --published lrcn-coco
lrcn card lrcn-coco
"""


def main(argv: list[str]) -> int:
    """Write a card, or print one."""
    parser = command_parser("card", usage="lrcn card FOLDER [options]", details=DETAILS, examples=EXAMPLES)
    parser.add_argument("folder", metavar="FOLDER", help="a model's folder, or the name of a model to be published")
    parser.add_argument("--name", metavar="NAME", help="what users load it by, such as user/lrcn-coco")
    parser.add_argument("--published", metavar="MODEL", help="the model to be published that it is: adds its facts")
    parser.add_argument("--no-run", action="store_true", help="do not run the example of use")
    parser.add_argument("--overwrite", action="store_true", help="replace a README.md that was written by hand")
    arguments = parser.parse_args(argv)

    from lrcn_hub.publishing.card_facts import published_models
    from lrcn_hub.publishing.cards import planned_card, write_card

    if not Path(arguments.folder).exists() and arguments.folder in published_models():
        print(planned_card(arguments.folder), end="")
        return 0
    file = write_card(
        arguments.folder,
        name=arguments.name,
        published=arguments.published,
        execute=not arguments.no_run,
        overwrite=arguments.overwrite,
    )
    print(file)
    return 0
