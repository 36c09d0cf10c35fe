"""Caption tokens as the published caption metrics count them, without Java.

The coco-caption evaluation cuts captions with Stanford CoreNLP 3.4.1 (``PTBTokenizer -preserveLines -lowerCase``)
and drops a list of punctuation tokens. The rules here were written from what that program answers. Four habits of it
are easy to mistake for errors: brackets become ``-lrb-`` and the like and stay, runs such as ``!?`` stay,
abbreviations keep their full stop, and ``22 3/4`` is one token, with a space that does not break (coco-caption's BLEU
and CIDEr then take it for two words). One is not followed: it lets the caption on the next line decide whether a full
stop ends a sentence.
"""

import re
from functools import lru_cache

_REPLACED = {
    "(": "-lrb-",
    ")": "-rrb-",
    "[": "-lsb-",
    "]": "-rsb-",
    "{": "-lcb-",
    "}": "-rcb-",
    "&amp;": "&",
    "&lt;": "<",
    "&gt;": ">",
    "£": "#",
    "€": "$",
    "¢": "cents",
}
_FRACTIONS = {"½": ["1/2"], "¼": ["1/4"], "¾": ["3/4"], "⅓": ["1/3"], "⅔": ["2/3"]}
_INVISIBLE = [*range(0x20), *range(0x7F, 0xA0), *range(0x200B, 0x2010), *range(0x2028, 0x202F), 0x20E3, 0xFE0F, 0xFEFF]
_BEFORE_CUTTING = str.maketrans(
    {**{one: f" {one} " for one in _FRACTIONS}, **dict.fromkeys(map(chr, _INVISIBLE), " "), "\u00ad": ""}
)
_SPELT_OUT = {
    **_FRACTIONS,
    "cannot": ["can", "not"],
    "d'ye": ["d'", "ye"],
    "gimme": ["gim", "me"],
    "gonna": ["gon", "na"],
    "gotta": ["got", "ta"],
    "lemme": ["lem", "me"],
    "more'n": ["more", "'n"],
    "wanna": ["wan", "na"],
    "y'all": ["y'", "all"],
    "'tis": ["'t", "is"],
    "'twas": ["'t", "was"],
}
_CLITICS = ("n't", "'s", "'re", "'ve", "'ll", "'d", "'m")
# Both sets keep their full stop inside a caption ("st. john"), only the first also at its end ("on 5th ave.").
_ABBREVIATIONS = frozenset(
    """adm ala approx apr apt ariz ark assn aug ave bldg blvd bros calif capt cf cmdr colo corp dec dept dr etc feb fla
    fri gov hon hwy inc jan jr jul jun kan ky ln lt ltd maj md messrs mich minn mlle mme mont mr mrs ms mx neb nev nos
    nov oct okla ph.d pp pres prof rd rev sen sep sept sgt sr st supt tenn tex thu thur thurs tue tues va vol vs vt wed
    wis wyo""".split()  # noqa: SIM905
)
_ABBREVIATIONS_INSIDE = frozenset(
    "co col conn del est fig fr ft ga gal gen ill ind mar miss mo mon mt no ore pa penn rep sat sun wash".split()  # noqa: SIM905
)

# What matches without a name is dropped. Every repetition is over characters that cannot also end it, or is bounded,
# so that the time stays proportional to the length of the caption.
_TOKEN = re.compile(
    r"""
    (?P<plain>[a-z]++(?=[ ,]|\Z))
  | (?P<verbatim>
        </?[a-z][^<>]*>
      | (?:https?://|www\.)[^\s"<>()]+(?<![.,:;!?])
      | [\w.+-]{1,64}+@[\w-]{1,255}+(?:\.[\w-]+)+
      | \#[^\W\d_]+ | @[^\W\d_]\w*
      | (?:[^\W\d_]\.){2,}(?:[^\W\d_](?![\w.]))?(?![^\W_])      # u.s.a.
      | (?:\d+[ -])?\d+/\d+(?![\w/])                            # 5-1/2
      | \d{1,2}:\d\d(?=[ap]m\b)                                 # 10:45am
      | [-+]?(?:\d+(?:[.,:/]\d+)+|(?<![\w.])\.\d+)(?![\w-])     # 1,000.50
    )
  | (?P<word>[^\W_](?:
        [\w\u0300-\u036f\u0900-\u0dff]                          # combining marks are no word characters to `re`
      | (?<=\w)['\u2019](?=[^\W\d_])
      | [-/\u2010\u2011](?=[^\W_])
      | (?<=[^\W\d_])\.(?=[^\W\d_])
      | (?<=\d)[.,:](?=\d)
    )*)(?P<full_stop>\.(?!\.))?
  | (?P<smiley>[:;]-?[()])
  | \.{3,} | \.\ \.\ \. | -{2,} | ``|''
  | (?P<clitic>['\u2019](?:n'|s|re|ve|ll|d|m|n|em|til|tis|twas|cause)(?!\w))
  | [.,:;\-\u2026\u2013\u2014"'`\u2018\u2019\u201c\u201d\u00ab\u00bb\u2039\u203a] | [!?](?![!?]) | &(?:quot|apos|nbsp);
  | (?P<symbol>&(?:amp|lt|gt); | [!?]+ | [^\s\U00010000-\U0010ffff])    # beyond the BMP (emoji) nothing is kept
    """,
    re.VERBOSE,
)
_REMEMBERED = 2**17  # captions, some 100 MB at most
_FINAL_INITIAL = re.compile(r"(?<![^\W_])(?<![^\W\d_]\.)([^\W\d_])\.\Z")


def ptb_tokenize(caption: str) -> list[str]:
    """Cut a caption into lower-case tokens without punctuation, as coco-caption does before scoring.

    Any white space separates; a caption without words gives no tokens. The 25,014 captions of COCO val2017 and the
    40,460 of Flickr8k all come out as from the Java program. What was cut lately is remembered: references
    come again at every evaluation.
    """
    return list(_tokens(caption))


@lru_cache(_REMEMBERED)
def _tokens(caption: str) -> tuple[str, ...]:
    text = " ".join(caption.translate(_BEFORE_CUTTING).split())
    initial = _FINAL_INITIAL.search(text)
    if initial and initial[1].isupper():  # "12th Ave S."
        text = text[:-1]
    text = text.lower()
    end = len(text.rstrip(" .\"'"))
    tokens: list[str] = []
    for match in _TOKEN.finditer(text):
        token, kind = match[0], match.lastgroup
        if kind == "plain":
            tokens += _SPELT_OUT.get(token) or (token,)
        elif kind == "word":
            tokens += _split_word(token)
        elif kind == "full_stop":
            tokens += [token] if _keeps_full_stop(token[:-1], match.end() >= end) else _split_word(token[:-1])
        elif kind == "verbatim":
            tokens.append(token.replace(" ", "\u00a0"))
        elif kind == "clitic":
            tokens += _split_word(token)
        elif kind == "smiley":
            tokens.append(token[:-1] + _REPLACED[token[-1]])
        elif kind == "symbol":
            tokens.append(_REPLACED.get(token, token))
    return tuple(tokens)


def _keeps_full_stop(word: str, at_end: bool) -> bool:
    """Whether `word.` is an abbreviation or an initial and not the end of a sentence."""
    if len(word) == 1 and word.isalpha():
        return word != "i"
    return word in _ABBREVIATIONS or (word in _ABBREVIATIONS_INSIDE and not at_end)


def _split_word(word: str) -> list[str]:
    """Part a word from what it was written together with: "can't" is "ca", "n't"."""
    word = word.replace("\u2019", "'")
    if word in _SPELT_OUT:
        return _SPELT_OUT[word]
    clitics: list[str] = []
    end = len(word)
    while clitic := next((c for c in _CLITICS if len(c) < end and word.endswith(c, 0, end)), ""):
        clitics.append(clitic)
        end -= len(clitic)
    return [word[:end], *reversed(clitics)]
