"""``lrcn push``: a model's folder, published on the Hugging Face Hub."""

import dataclasses
import json

from lrcn_cli.command import command_parser

DETAILS = """\
Everything travels in one commit: who loads the model meanwhile gets the old one or the new one, never a half. The
repository is made where there is none. Sign in first: `hf auth login`, or set HF_TOKEN. docs/publish.md tells all."""

EXAMPLES = """
lrcn push my-captioner user/lrcn-coco
lrcn push my-captioner user/lrcn-coco --private
lrcn push my-captioner user/lrcn-coco --revision v2
"""


def main(argv: list[str]) -> int:
    """Push a folder and say where it is now."""
    parser = command_parser("push", usage="lrcn push DIR USER/NAME [options]", details=DETAILS, examples=EXAMPLES)
    parser.add_argument("folder", metavar="DIR", help="the folder of a trained or converted model")
    parser.add_argument("repo_id", metavar="USER/NAME", help="the repository on the Hub")
    parser.add_argument("--private", action="store_true", help="a new repository that only you can see")
    parser.add_argument("--revision", metavar="BRANCH", help="the branch to push to; default: main")
    parser.add_argument("--message", help="the title of the commit")
    parser.add_argument("--json", action="store_true", help="print what was pushed as one object")
    arguments = parser.parse_args(argv)

    from lrcn_hub.publishing.push import push

    pushed = push(
        arguments.folder,
        arguments.repo_id,
        private=arguments.private or None,
        revision=arguments.revision,
        message=arguments.message,
    )
    if arguments.json:
        print(json.dumps(dataclasses.asdict(pushed), indent=2))
    else:
        print(pushed.url if pushed.changed else f"{pushed.url} (nothing has changed)")
    return 0
