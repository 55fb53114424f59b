r"""LaTeX and Markdown around an answer, taken off so that one grammar can read the rest. Not a renderer: what it does not know it leaves as it is.

`bare` takes off what surrounds a whole text (**x**, `x`, $x$, \text{x}). `plain` writes LaTeX as plain characters, in one pass over the text.
"""

import re
import unicodedata

OPEN, OVER, CLOSE = "\ue000", "\ue001", "\ue002"
r"""How `plain` writes \frac{a}{b}: these around and between a and b. Private characters, which a text cannot bring in."""
TIGHT = "\ue003"
"""The comma of LaTeX's {,}: within a number, never between two."""
NARROW = "\u2009"
"""Any space that may stand between the digits of one number: narrow and unbreakable ones."""
DEEPEST = 12
"""Layers that `bare` takes off."""


def words(text: str) -> tuple[str, ...]:
    """The words of a list that is written as one text."""
    return tuple(text.split())


TEXT_MACROS = frozenset(
    words(
        "text textrm textbf textit textsf texttt textnormal textup emph underline mathrm mathbf mathit mathsf mathtt mathnormal mbox hbox fbox boxed "
        "framebox operatorname boldsymbol bm pmb num unit si ensuremath"
    )
)
r"""Macros whose argument is what they show, as in \text{x}."""
_FRACTIONS = frozenset(words("frac dfrac tfrac cfrac nicefrac sfrac"))
_GONE = frozenset(
    words(
        "left right big Big bigg Bigg bigl bigr Bigl Bigr displaystyle textstyle scriptstyle limits nolimits bf rm it sf tt bfseries rmfamily "
        "itshape large Large LARGE huge Huge small normalsize centering negthinspace null relax"
    )
)
_SHOWN = {
    **dict.fromkeys(("quad", "qquad", "space", "enspace", "enskip", "newline"), " "), "thinspace": NARROW, "times": "×", "cdot": "·", "ast": "*",
    "div": "÷", "pm": "±", "mp": "±", "approx": "≈", "sim": "≈", "simeq": "≈", "circ": "°", "degree": "°", "degrees": "°", "percent": "%",
    "textpercent": "%", "pounds": "£", "euro": "€", "yen": "¥", "textdollar": "$", "dots": "…", "ldots": "…", "cdots": "…", "colon": ":",
    "angle": "∠", "triangle": "△", "lbrace": "{", "rbrace": "}", "lbrack": "[", "rbrack": "]", "slash": "/",
}  # fmt: skip
_GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega"
_SHOWN |= {name: unicodedata.lookup(f"GREEK SMALL LETTER {'LAMDA' if name == 'lambda' else name.upper()}") for name in words(_GREEK)}
_SHOWN |= {"varepsilon": "ε", "vartheta": "θ", "varphi": "φ", "varrho": "ρ"}
_SHOWN |= {name.title(): _SHOWN[name].upper() for name in words("gamma delta theta lambda xi pi sigma phi psi omega")}
_ESCAPED = {**{mark: mark for mark in "$%#&_{}"}, ",": NARROW, **dict.fromkeys(" ;:>()[]\n\\", " "), **dict.fromkeys("!/-", "")}

_TOKEN = re.compile(
    r"(?P<tight>\{,\})|(?P<thin>\{\\,\})|(?P<skipped>\\(?:(?:text)?color|[hv]space\*?)\s*\{[^{}]{0,40}\})"
    r"|\\(?P<macro>[A-Za-z]+)\*?|\\(?P<escaped>.)|(?P<brace>[{}])|(?P<rest>[^\\{}]+|\\)",
    re.DOTALL,
)
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺"
_LOWERED = str.maketrans(_RAISED, "0123456789-+")
_SCRIPT = re.compile(f"[{_RAISED}]+")
_DEGREES = re.compile(r"\^\s*(?:°|\{\s*°\s*\})")


def _characters() -> dict[int, str | None]:
    """Signs that look alike as one, digits of full width as digits, and vulgar fractions as `plain` writes fractions."""
    made: dict[int, str | None] = {ord(mark): "\ufffd" for mark in (OPEN, OVER, CLOSE, TIGHT)}
    alike = {
        "-": "\u2212\u2010\u2011\ufe63\uff0d",
        "–": "\u2012",
        "/": "\u2044\u2215",
        "'": "\u2019\u02bc\uff07",
        "°": "\u00ba\u2218\u02da",
        "·": "\u22c5\u2219",
    }
    alike |= {"μ": "\u00b5", NARROW: "\u00a0\u2007\u2008\u200a\u202f\u205f", "≈": "\u2248\u2243\u2245\u223c", "*": "\u2217", ", ": "\uff0c"}
    for shown, others in alike.items():
        made |= {ord(other): shown for other in others}
    made |= {ord(invisible): None for invisible in "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f"}
    made |= {code: chr(code - 0xFEE0) for code in (*range(0xFF10, 0xFF1A), *map(ord, "％．：＝＋＄（）"))}
    for vulgar in "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞":
        above, below = unicodedata.normalize("NFKC", vulgar).split("\u2044")
        made[ord(vulgar)] = f"{OPEN}{above}{OVER}{below}{CLOSE}"
    return made


_CHARACTERS = _characters()


def plain(text: str) -> str:
    r"""A text with its LaTeX written as plain characters; macros that are not known stay, with their braces.

    \text{x} becomes x, 12{,}345 has `TIGHT` for its comma, 12\,345 `NARROW` for its space, \frac{7}{2} is written with `OPEN`, `OVER` and `CLOSE`,
    cm² is cm^{2}. Takes time linear in the length of the text.
    """
    raised = _SCRIPT.sub(lambda found: f"^{{{found[0].translate(_LOWERED)}}}", text)
    return _DEGREES.sub("°", _Writer().written(raised.translate(_CHARACTERS)))


class _Writer:
    """The state of `plain` between two tokens."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.last = ""
        """The last character written."""
        self.groups: list[tuple[str, tuple[str, ...]]] = []
        """For every open group what is written at its end, and what is awaited then."""
        self.awaited: tuple[str, ...] = ()
        """What is written after each argument that a fraction still lacks."""
        self.before = ""
        """The kind of macro that a group would be the argument of: 'text', 'unknown' or ''."""

    def written(self, text: str) -> str:
        for found in _TOKEN.finditer(text):
            match found.lastgroup:
                case "tight":
                    self.write(TIGHT)
                case "thin":
                    self.write(NARROW)
                case "macro":
                    self.macro(found["macro"])
                case "escaped":
                    self.argument(_ESCAPED.get(found["escaped"], found[0]))
                case "brace" if found[0] == "{":
                    self.opened(text[found.end() : found.end() + 1])
                case "brace":
                    self.closed()
                case "rest":
                    self.rest(found[0])
        return "".join(self.out)

    def write(self, text: str) -> None:
        if text:
            self.out.append(text)
            self.last = text[-1]

    def argument(self, shown: str) -> None:
        """Write something that is a whole argument where one is awaited."""
        self.write(shown)
        if self.awaited and shown.strip():
            self.write(self.awaited[0])
            self.awaited = self.awaited[1:]

    def macro(self, name: str) -> None:
        if name in _FRACTIONS:
            # As an argument without braces a fraction is no LaTeX: what waited for it stays unfinished.
            self.write(OPEN)
            self.awaited = (OVER, CLOSE)
        elif name in TEXT_MACROS:
            self.before = "text"
        elif name not in _GONE:
            self.before = "" if name in _SHOWN else "unknown"
            self.argument(_SHOWN.get(name, "\\" + name))

    def opened(self, following: str) -> None:
        """A group: an argument of a fraction, shown text, an argument that keeps its braces, or braces that only group."""
        if self.awaited:
            self.groups.append((self.awaited[0], self.awaited[1:]))
            self.awaited = ()
        elif self.before != "text" and (self.before == "unknown" or self.last in tuple("^_}")):
            self.write("{")
            self.groups.append(("}", ()))
        else:
            if self.before == "text" and following.isalpha() and (self.last.isdigit() or self.last in tuple(CLOSE + "}")):
                self.write(" ")
            self.groups.append(("", ()))
        self.before = ""

    def closed(self) -> None:
        if self.groups:
            end, self.awaited = self.groups.pop()
            self.write(end)

    def rest(self, text: str) -> None:
        while self.awaited and (text := text.lstrip()):
            self.argument(text[0])
            text = text[1:]
        if text.strip() and not text.rstrip().endswith("]"):
            self.before = ""
        self.write(text)


_AROUND = (
    *((f"<{tag}>", f"</{tag}>") for tag in ("b", "strong", "em", "i", "u", "code")),
    ("**", "**"),
    ("__", "__"),
    ("``", "``"),
    ("`", "`"),
    ("$$", "$$"),
    ("$", "$"),
    (r"\(", r"\)"),
    (r"\[", r"\]"),
    ("*", "*"),
    ("_", "_"),
)
_IDENTIFIER = re.compile(r"[A-Za-z]\w*")
"""What underscores belong to, as in __init__."""
_MACRO = re.compile(rf"\\(?:{'|'.join(sorted(TEXT_MACROS))})\s*\{{")
_SPACING = re.compile(r"\\\\|\\(?:left|right)(?![A-Za-z])|\\!|\\[ ,;:>]|\\q?quad(?![A-Za-z])|(?<!~)~(?!~)")
_BRACE = re.compile(r"(?<!\\)\\++[{}]|[{}]")


def bare(text: str) -> str:
    r"""A text without the Markdown, dollar signs and LaTeX text macros that surround the whole of it, at most `DEEPEST` layers, stripped."""
    text = text.strip()
    for _ in range(DEEPEST):
        inner = _unwrapped(text)
        if inner == text:
            break
        text = inner
    return text


def spaced(text: str) -> str:
    r"""A text with spaces for the spaces of LaTeX (\,, \quad, ~), and without \left, \right and \!; the rest of its LaTeX stays."""
    return _SPACING.sub(lambda found: found[0] if found[0] == r"\\" else "" if found[0] in (r"\left", r"\right", r"\!") else " ", text)


def _unwrapped(text: str) -> str:
    """One layer less; the same text where there is none."""
    for opening, closing in _AROUND:
        if text.startswith(opening) and text.endswith(closing):
            inner = text[len(opening) : -len(closing)].strip()
            if inner and opening not in inner and closing not in inner and not (opening[0] == "_" and _IDENTIFIER.fullmatch(inner)):
                return inner
    found = _MACRO.match(text)
    if found and text[found.end() : -1].strip() and closing_brace(text, found.end() - 1) == len(text) - 1:
        return text[found.end() : -1].strip()
    return text


def closing_brace(text: str, opening: int) -> int | None:
    """Where the group ends that opens at `opening`; None where it does not. Braces behind an odd number of backslashes are characters."""
    depth = 0
    for found in _BRACE.finditer(text, opening):
        if len(found[0]) % 2:
            depth += 1 if found[0][-1] == "{" else -1
            if not depth:
                return found.end() - 1
    return None
