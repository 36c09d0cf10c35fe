"""``lrcn watch``: live video in, events and a terminal view out, until the video ends or a signal comes."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from lrcn_cli.command import command_parser
from lrcn_cli.live import USUAL_SECONDS, load

if TYPE_CHECKING:
    from lrcn_hub.streaming import LiveView, Source
    from lrcn_hub.streaming.watching import Stop

DETAILS = """\
SOURCE is a file, - (standard input), a named pipe, a camera (/dev/video0) or the address of a stream. Several are
watched together. Each change of a recogniser's decision, and each of a narrator's sentences, is one JSON object on a
line of standard output; docs/watch.md says what its fields mean. The exit code is 0 when all videos have ended, or
after SIGINT or SIGTERM, and 1 if a source could not be read to its end."""

EXAMPLES = """
lrcn watch video.mp4 --model my-recogniser
lrcn watch /dev/video0 --model my-recogniser --half-life 2 --output events.jsonl
lrcn watch rtsp://camera/1 rtsp://camera/2 --model my-recogniser --state watch.safetensors --retries -1
ffmpeg -i INPUT -f matroska - | lrcn watch - --model my-recogniser --every 5
lrcn watch rtsp://camera/1 --model my-narrator --every-seconds 5 --scene-threshold 0.2 --subtitles live.vtt
"""


def main(argv: list[str]) -> int:
    """Watch; returns 0, or 1 if a source could not be read to its end."""
    arguments = _parser().parse_args(argv)

    from lrcn_hub.streaming import Source, Watcher

    sources = [Source(given) for given in arguments.sources]
    _check(sources)
    live = load(arguments)
    session = live.session()
    wanted = sys.stderr.isatty() if arguments.view is None else arguments.view
    view = live.view(sys.stderr) if wanted else None
    with _opened(arguments.output) as file, contextlib.closing(live):
        event_rules, watch_rules, connection_rules = _rules(arguments)
        events = live.events(_writer(file, view), event_rules)
        watcher = Watcher(session, sources, events, rules=watch_rules, connection=connection_rules, view=view)
        with _stopped_by_signals(watcher.stop):
            watcher.run()
    failed = [row for row in watcher.rows if row.failed]
    for row in failed:
        print(f"lrcn watch: {row.source}: {row.trouble}", file=sys.stderr)
    return int(bool(failed))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "watch", usage="lrcn watch SOURCE... --model DIR [options]", details=DETAILS, examples=EXAMPLES
    )
    add = parser.add_argument
    add("sources", nargs="+", metavar="SOURCE", help="a file, -, a camera or an address")
    add(
        "--model",
        required=True,
        metavar="DIR",
        help="folder of a trained recogniser or narrator, or its name on the Hub",
    )
    add("--device", metavar="NAME", help="such as cpu or cuda:0; default: a GPU where there is one")
    add("--dtype", choices=["float32", "bfloat16", "float16"], default="float32", help="default: float32")

    add = parser.add_argument_group("events").add_argument
    add("--output", metavar="FILE", help="add events to a file instead of printing them")
    add("--every-frame", action="store_true", help="an event for each frame")
    add("--every", type=_positive, metavar="SECONDS", help="an event at least so often in the video's time")

    add = parser.add_argument_group("decision").add_argument
    add(
        "--half-life",
        type=_positive,
        metavar="SECONDS",
        help="older frames count less; default: all frames count alike",
    )
    add("--scene-threshold", type=_positive, metavar="X", help="a picture that differs by more begins anew")

    add = parser.add_argument_group("narration").add_argument
    add(
        "--every-seconds",
        type=_positive,
        metavar="SECONDS",
        help=f"a sentence at least so often; default: {USUAL_SECONDS:g}, where no threshold is given",
    )
    add("--state-threshold", type=_positive, metavar="X", help="a frame that changes the state by more begins anew")
    add("--min-event", type=float, metavar="SECONDS", help="what a threshold ends lasts as long (default 1)")
    add("--num-beams", type=_count, metavar="N", help="beam search of this width; default: the model's")
    add("--subtitles", metavar="FILE", help="write cues to a .vtt or .srt file as they are said")

    add = parser.add_argument_group("when the source is faster than the model").add_argument
    add(
        "--when-behind",
        choices=["drop", "batch", "wait"],
        help="drop the oldest frames, batch those that wait, or let the source wait; default: drop for cameras, "
        "streams and --realtime, else wait",
    )
    add("--buffer", type=_count, default=8, metavar="N", help="frames of a source that may wait (default 8)")
    add("--max-batch", type=_count, default=32, metavar="N", help="frames through the backbone at once (default 32)")
    add("--realtime", action="store_true", help="play files at their own speed, as if they were live")

    add = parser.add_argument_group("when the source breaks").add_argument
    add(
        "--stall-timeout",
        type=_positive,
        default=10.0,
        metavar="SECONDS",
        help="how long to wait for data (default 10)",
    )
    add("--retries", type=int, default=10, metavar="N", help="attempts to reconnect (default 10; -1: for ever)")
    add("--reset-on-reconnect", action="store_true", help="a source that comes back is a new video")
    add(
        "--ffmpeg", action="append", default=[], type=_option, metavar="NAME=VALUE", help="an option of FFmpeg's input"
    )

    add = parser.add_argument_group("state and view").add_argument
    add("--state", metavar="FILE", help="go on from this state if it is there; save it at the end and now and then")
    add("--save-every", type=_positive, default=60.0, metavar="SECONDS", help="how often (default 60)")
    add("--view", action=argparse.BooleanOptionalAction, help="the live view; default: on a terminal")
    add("--top-k", type=_count, default=3, metavar="K", help="labels or sentences shown (default 3)")
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _check(sources: "list[Source]") -> None:
    for source in sources:
        source.check()
    if [source.given for source in sources].count("-") > 1:
        raise ValueError("- is named twice: standard input can be watched once")


def _rules(arguments: argparse.Namespace) -> tuple[Any, Any, Any]:
    from lrcn_hub.streaming import ConnectionRules, EventRules, WatchRules

    connection = ConnectionRules(
        stall_timeout=arguments.stall_timeout,
        retries=arguments.retries,
        realtime=arguments.realtime,
        reset_on_reconnect=arguments.reset_on_reconnect,
        options=dict(arguments.ffmpeg),
    )
    watch = WatchRules(arguments.when_behind, arguments.buffer, arguments.state, arguments.save_every)
    return EventRules(arguments.every_frame, arguments.every), watch, connection


def _writer(file: TextIO, view: "LiveView | None") -> Any:
    """Write lines to `file`; on the terminal that shows the view, in its place."""
    from lrcn_hub.streaming import line_writer

    write = line_writer(file)
    if view is None or not file.isatty():
        return write

    def write_above(line: str) -> None:
        view.erase()
        write(line)

    return write_above


@contextlib.contextmanager
def _opened(output: str | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
    else:
        with open(output, "a", encoding="utf-8") as file:
            yield file


@contextlib.contextmanager
def _stopped_by_signals(stop: "Stop") -> Iterator[None]:
    """Let the first SIGINT or SIGTERM ask for the end; a second one ends the process as usual."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: Any) -> None:
        stop.ask(signal.Signals(number).name)
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        restore()
