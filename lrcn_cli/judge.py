"""``lrcn judge``: people rank what several systems said of pictures, on a page of its own; their ranks are counted."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_cli.command import command_parser

if TYPE_CHECKING:
    from lrcn_hub.judging import Pictures, Tally

DETAILS = """\
`export` writes a rating sheet, one HTML file that raters open in a browser, without a network: they rank captions by
correctness, grammar and relevance, not knowing whose they are, and send back the JSON file that the page saves.
`tally` counts such files: mean ranks with 95% intervals, and how far the raters agree. docs/judge.md tells all."""

EXAMPLES = """
lrcn judge export my-captioner other-captioner --human --output judging
lrcn judge export ours=a.jsonl theirs=b.jsonl --images photos --number 50 --output judging
lrcn judge tally ratings-*.json --key judging/key.json
"""

EXPORT_DETAILS = """\
A SYSTEM is the folder of a model that `lrcn evaluate` has judged on the split, or NAME=FILE with a predictions.jsonl.
Pictures and people's captions come from the data of the first model's recipe, unless --images says where they are."""


def main(argv: list[str]) -> int:
    """Make a rating sheet, or count filled ones."""
    arguments = _parser().parse_args(argv)
    return _export(arguments) if arguments.action == "export" else _tally(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("judge", usage="lrcn judge {export,tally} ...", details=DETAILS, examples=EXAMPLES)
    actions = parser.add_subparsers(dest="action", required=True, metavar="{export,tally}", prog="lrcn judge")
    form = argparse.RawDescriptionHelpFormatter
    export = actions.add_parser(
        "export", help="write a rating sheet", description=EXPORT_DETAILS, formatter_class=form, allow_abbrev=False
    )
    export.add_argument("systems", nargs="+", metavar="SYSTEM", help="a model's folder, or NAME=FILE; two or more")
    export.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="for sheet.html and key.json")
    export.add_argument("--human", action="store_true", help="one of people's captions is ranked among them")
    export.add_argument(
        "--images", type=Path, metavar="WHERE", help="a folder of pictures named by their ids, or a JSONL: id, image"
    )
    export.add_argument("--number", type=int, default=30, metavar="N", help="pictures to judge; default: 30")
    export.add_argument(
        "--split", default="test", metavar="NAME", help="what the models were judged on; default: test"
    )
    export.add_argument("--seed", type=int, default=0, metavar="N", help="of all drawing by lot; default: 0")
    export.add_argument("--title", default="Which sentence is best?", metavar="TEXT", help="of the page")
    tally = actions.add_parser("tally", help="count filled sheets", formatter_class=form, allow_abbrev=False)
    tally.add_argument("sheets", nargs="+", type=Path, metavar="SHEET.json", help="what raters saved, one of each")
    tally.add_argument("--key", type=Path, required=True, metavar="KEY", help="the key.json of their sheet")
    tally.add_argument("--json", action="store_true", help="print one object")
    return parser


def _export(arguments: argparse.Namespace) -> int:
    from lrcn_hub.judging import draw_lots, human_answers, render_sheet
    from lrcn_hub.publishing.folders import write_text

    files = _files(arguments.systems, arguments.split, arguments.human)
    answers = {name: _answers(file) for name, file in files.items()}
    pictures, *others = _pictures(arguments)
    if arguments.human:
        answers["human"] = human_answers(pictures, arguments.seed)
    key = draw_lots(answers, arguments.number, arguments.seed)
    for other in others:
        pictures.refuse_others(other, [ballot.id for ballot in key.ballots])
    page, key_file = arguments.output / "sheet.html", arguments.output / "key.json"
    if key_file.exists() and key_file.read_text(encoding="utf-8") != key.text():
        raise FileExistsError(
            f"{key_file} is the key of another sheet, whose ratings would be lost with it: choose another --output"
        )
    content = render_sheet(key, pictures, arguments.title)
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_text(key_file, key.text())
    write_text(page, content)
    shared = len(set.intersection(*(set(given) for given in answers.values())))
    print(
        f"{page}: {len(key.ballots)} of {shared} pictures that {', '.join(answers)} answered; give this to the raters"
    )
    if key.alike:
        print(f"{len(key.alike)} pictures were passed over, about which all say the same")
    print(f"{key_file}: whose captions are whose; keep this back")
    return 0


def _files(systems: list[str], split: str, human: bool) -> dict[str, Path]:
    """Find the file of answers of each system, by its name."""
    files: dict[str, Path] = {}
    for word in systems:
        name, path = _named(word)
        if not name and not path.is_dir():
            raise ValueError(f"{word}: there is no such folder of a model; a file needs a name: NAME={path}")
        name = name or path.resolve().name
        if name in files or (human and name == "human"):
            raise ValueError(f"two systems are called {name}: name one by NAME={path}")
        files[name] = path / "evaluation" / split / "predictions.jsonl" if path.is_dir() else path
    return files


def _named(word: str) -> tuple[str, Path]:
    """Cut NAME=PATH; a path alone has the name ``""``."""
    name, mark, path = word.partition("=")
    return (name, Path(path)) if mark and not Path(word).exists() else ("", Path(word))


def _answers(file: Path) -> dict[str, str]:
    from lrcn_hub.judging import read_answers

    if not file.is_file():
        raise FileNotFoundError(f"{file} is not there: judge the model first (lrcn evaluate DIR --split SPLIT)")
    return read_answers(file)


def _pictures(arguments: argparse.Namespace) -> "list[Pictures]":
    """Find where the pictures are: the first has them, and the others, whose recipes tell of other data, must too."""
    from lrcn_hub.judging import pictures_in_file, pictures_in_folder
    from lrcn_hub.training.recipe import read_recipe

    if arguments.images is not None:
        found = pictures_in_folder if arguments.images.is_dir() else pictures_in_file
        return [found(arguments.images)]
    files = [_named(word)[1] / "recipe.yaml" for word in arguments.systems]
    recipes = [(str(file), read_recipe(str(file))) for file in files if file.is_file()]
    if not recipes:
        raise ValueError(
            "none of the systems is a model's folder with a recipe: say where the pictures are (--images)"
        )
    data = [written.get("data") for _, written in recipes]
    different = [recipe for place, recipe in enumerate(recipes) if recipe[1].get("data") not in data[:place]]
    return [_pictures_of_recipe(source, written, arguments.split) for source, written in different]


def _pictures_of_recipe(source: str, written: dict[str, Any], split: str) -> "Pictures":
    from lrcn_hub.judging import pictures_in_table
    from lrcn_hub.plugins import get_task
    from lrcn_hub.training.command import recipe_from

    task = get_task(written["task"])
    tables = task.load_tables(recipe_from(task, written, [], source).options(task).data)
    if split not in tables:
        raise ValueError(f"{source}: its data have no split {split!r}; there are: {', '.join(tables)} (--split NAME)")
    return pictures_in_table(tables[split], f"split {split} of {source}")


def _tally(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from lrcn_hub.judging import read_key, read_sheets, tally

    key = read_key(arguments.key)
    found = tally(key, read_sheets(arguments.sheets, key))
    if arguments.json:
        print(json.dumps({"sheet": key.id, "systems": key.systems, **asdict(found)}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(found, key.systems)))
    return 0


def _lines(found: "Tally", systems: list[str]) -> list[str]:
    """Write a tally as a table."""
    raters = f"{len(found.raters)} rater{'s' * (len(found.raters) > 1)} ({', '.join(found.raters)})"
    alike = f"; {found.alike} more were passed over, about which all say the same" if found.alike else ""
    rows = [["mean rank", *found.ranks]]
    rows += [[system, *(_interval(ranks[system]) for ranks in found.ranks.values())] for system in systems]
    if len(found.raters) > 1:
        rows.append(["Kendall's W", *(_interval(one.w) for one in found.agreement.values())])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [f"Ranks go from 1, the best, to {len(systems)}; in brackets 95% intervals over pictures."]
    if len(found.raters) > 1:
        notes.append(f"W is 1 where all raters agree and {found.agreement_by_chance:.2f} on average by chance.")
    return [f"{raters}, {found.pictures} pictures{alike}", "", *table, "", *notes]


def _interval(interval: Any) -> str:
    return "-" if interval is None else f"{interval.score:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
