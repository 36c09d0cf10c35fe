"""The coco-caption authors' own programs, through the optional package pycocoevalcap and Java.

METEOR 1.5 (Denkowski and Lavie, 2014) and SPICE (Anderson et al., 2016) exist only as their authors' Java programs.
The rest proves our scores: `coco_caption_scores` computes everything with the Java tokenizer and pycocoevalcap's
scorers. They are called one by one, since its own `COCOEvalCap` wants to download SPICE's models before it scores
anything.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path

from lrcn_hub.scoring.corpus import Tokens, check_corpus

TOOLS = ("meteor", "spice")
_DROPPED = frozenset(["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", *".?!,:-;", "--", "..."])
# Read as the end of a line by Java, each would shift the scores of all later captions by one.
_LINE_ENDS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
# Numbers are written and read with a full stop, and letters made small as in English, whatever the user's language.
_ENGLISH = "-Duser.language=en -Duser.country=US"
# SPICE's serialiser looks into Java's own classes, which Java 17 forbids; Java 8 does not know the variable's name.
_OPEN_CLASSES = "--add-opens=java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.math=ALL-UNNAMED"


class ToolMissingError(RuntimeError):
    """A program that is not part of LRCN Hub is not installed; the message says which and the way out."""


def why_missing(tool: str) -> str | None:
    """Say in a few words why `tool`, one of `TOOLS` or ``tokenizer``, cannot run here; None where it can."""
    if find_spec("pycocoevalcap") is None:
        return "pycocoevalcap is not installed: pip install 'lrcn-hub[coco]'"
    if shutil.which("java") is None:
        return "Java is not installed or not on the PATH"
    if tool == "spice" and not (_package_folder() / "spice" / "lib" / "stanford-corenlp-3.6.0-models.jar").is_file():
        return "CoreNLP 3.6.0 is not there: python -m pycocoevalcap.spice.get_stanford_models downloads it, 384 MB"
    return None


def meteor_scores(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, list[float]]:
    """Score tokenised captions by METEOR 1.5; returns the corpus score and that of each caption, from 0 to 1.

    The program makes the corpus score from summed statistics: it is not the mean. Starting it takes some 5 seconds and
    2 GB of memory. Raises ToolMissingError, RuntimeError where it fails, ValueError and TypeError as `check_corpus`.
    """
    check_corpus(candidates, references)
    _require("meteor")
    theirs, ours = _as_coco(candidates, references)
    command = ["java", "-Xmx2G", "-jar", str(_package_folder() / "meteor" / "meteor-1.5.jar")]
    command += ["-", "-", "-stdio", "-l", "en", "-norm"]
    with tempfile.TemporaryFile() as errors, _java_environment():
        pipe = subprocess.PIPE
        try:
            with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, encoding="utf-8") as program:
                return _ask_meteor(program, [[*theirs[image], *ours[image]] for image in ours])
        except (BrokenPipeError, ValueError) as error:
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip()
            raise RuntimeError(f"METEOR's Java program failed: {words[-500:] or error}") from error


def _ask_meteor(program: subprocess.Popen[str], segments: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """Put questions on METEOR's standard input: each segment's references and candidate, then all it answered."""
    assert program.stdin is not None and program.stdout is not None
    statistics = []
    for captions in segments:
        program.stdin.write(" ||| ".join(["SCORE", *captions]) + "\n")
        program.stdin.flush()
        statistics.append(program.stdout.readline().strip())
    program.stdin.write(" ||| ".join(["EVAL", *statistics]) + "\n")
    program.stdin.flush()
    *scores, score = [float(program.stdout.readline()) for _ in range(len(segments) + 1)]
    return score, scores


def spice_scores(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, list[float]]:
    """Score tokenised captions by SPICE; returns the mean and the F-score of each caption, from 0 to 1.

    A caption none of whose references states anything has no score (nan), and so has then the mean. The program asks
    for 8 GB of memory and keeps what it parsed beside itself, in the installed package. Raises as `meteor_scores`.
    """
    check_corpus(candidates, references)
    _require("spice")
    from pycocoevalcap.spice.spice import Spice

    with _java_environment():
        try:
            score, scores = Spice().compute_score(*_as_coco(candidates, references))
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"SPICE's Java program failed with exit status {error.returncode}") from error
    return float(score), [one["All"]["f"] for one in scores]


def java_ptb_tokenize(captions: Sequence[str]) -> list[list[str]]:
    """Cut captions as `ptb_tokenize` does, by the Java program itself; one line of text for each.

    Raises ToolMissingError, and RuntimeError where the program does not answer every caption.
    """
    _require("tokenizer")
    from pycocoevalcap.tokenizer.ptbtokenizer import STANFORD_CORENLP_3_4_1_JAR

    lines = "\n".join(" ".join(caption.split()) for caption in captions)
    command = ["java", "-cp", str(_package_folder() / "tokenizer" / STANFORD_CORENLP_3_4_1_JAR)]
    command += ["edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    with tempfile.TemporaryDirectory() as folder, _java_environment():
        path = Path(folder, "captions.txt")
        path.write_text(lines, encoding="utf-8")
        done = subprocess.run([*command, str(path)], capture_output=True)
    answers = done.stdout.decode("utf-8").split("\n")
    if done.returncode or len(answers) not in (len(captions), len(captions) + 1):
        words = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"the tokenizer gave {len(answers)} lines for {len(captions)} captions: {words[-500:]}")
    return [[token for token in line.split(" ") if token and token not in _DROPPED] for line in answers][
        : len(captions)
    ]


def coco_caption_scores(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Score captions as people write them by pycocoevalcap's own code, tokenizer included, to prove ours by.

    Returns the scores of the corpus and those of each caption, with the keys of `score_captions`; SPICE is not among
    them. Raises as `meteor_scores`.
    """
    check_corpus(candidates, references)
    tokens = iter(java_ptb_tokenize([*candidates, *chain.from_iterable(references)]))
    ours = list(islice(tokens, len(candidates)))
    theirs = [list(islice(tokens, len(captions))) for captions in references]
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    bleu, bleu_each = Bleu(4).compute_score(*_as_coco(ours, theirs), verbose=0)
    corpus = {f"bleu_{order}": score for order, score in enumerate(bleu, start=1)}
    each = {f"bleu_{order}": scores for order, scores in enumerate(bleu_each, start=1)}
    for name, scorer in {"rouge_l": Rouge(), "cider_d": Cider()}.items():
        score, scores = scorer.compute_score(*_as_coco(ours, theirs))
        corpus[name], each[name] = float(score), scores.tolist()
    corpus["meteor"], each["meteor"] = meteor_scores(ours, theirs)
    return corpus, each


def _require(tool: str) -> None:
    if reason := why_missing(tool):
        raise ToolMissingError(f"{tool} cannot be run: {reason}")


def _package_folder() -> Path:
    found = find_spec("pycocoevalcap")
    assert found is not None and found.submodule_search_locations
    return Path(found.submodule_search_locations[0])


def _as_coco(
    candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]
) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """References and candidates as pycocoevalcap takes them, one caption a line and without METEOR's own separator."""

    def line(tokens: Tokens) -> str:
        return _LINE_ENDS.sub(" ", " ".join(tokens)).replace("|||", "")

    return (
        {image: [line(tokens) for tokens in captions] for image, captions in enumerate(references)},
        {image: [line(tokens)] for image, tokens in enumerate(candidates)},
    )


@contextmanager
def _java_environment() -> Iterator[None]:
    """Let Java programs started meanwhile run as in English, and with what SPICE needs; the user's options stay."""
    added = {"JAVA_TOOL_OPTIONS": _ENGLISH, "JDK_JAVA_OPTIONS": _OPEN_CLASSES}
    before = {name: os.environ.get(name) for name in added}
    for name, options in added.items():
        os.environ[name] = f"{before[name] or ''} {options}".strip()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
