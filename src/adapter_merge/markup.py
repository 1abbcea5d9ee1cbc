"""HTML in the Markdown of strangers: harmless tags lose their attributes, everything else its effect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from typing import TypeAlias

from markdown_it import MarkdownIt
from markdown_it.token import Token

# The parser takes seconds for as many characters, if they are chosen so, and a multiple for more.
MOST_PARSED = 200_000
# Kept, without attributes: they only arrange text.
_KEPT = frozenset(
    [
        "b",
        "blockquote",
        "br",
        "center",
        "code",
        "dd",
        "del",
        "details",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "kbd",
        "li",
        "ol",
        "p",
        "pre",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
# Dropped, while their content stays.
_DROPPED = frozenset(
    ["font", "picture", "source", "span", "u", "small", "big", "html", "body", "head"]
)
# Dropped with all that stands in them.
_SWALLOWED = frozenset(
    [
        "applet",
        "audio",
        "button",
        "canvas",
        "embed",
        "form",
        "frame",
        "frameset",
        "iframe",
        "math",
        "noscript",
        "object",
        "script",
        "select",
        "style",
        "svg",
        "template",
        "textarea",
        "title",
        "video",
    ]
)
_VOID = frozenset(["base", "input", "link", "meta"])
# Code spans and automatic links: what looks like a tag in them is none.
_INERT = re.compile(
    r"(?<!`)(`+)(?!`)(?:[^`]|(?!(?<!`)\1(?!`))`)+?(?<!`)\1(?!`)|<https?://[^\s<>]+>"
)
_SCHEME = re.compile(
    r"((?:\]\(|^\s{0,3}\[[^\]\n]+\]:)\s*(?:<\s*)?)(?:javascript|vbscript|data)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
# As the parser counts them; Python also ends lines at characters that are none in Markdown.
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_ALIGNS = ("left", "center", "right")
_ADDRESS = r"https?://[^\s\"'<>()`]+"
_WEB = re.compile(_ADDRESS)
_HARMLESS = re.compile(
    rf"""</?(?P<tag>(?!a\b)[a-z]\w*)(?:\ align="(?:{"|".join(_ALIGNS)})")?\s*/?>
    |<a\ href="{_ADDRESS}">|</a>
    |<img\ src="{_ADDRESS}"\ alt="[\w .,:-]*"(?:\ width="\d+%?")?>""",
    re.VERBOSE,
)

_Keep: TypeAlias = Callable[[str], str]


def defused(markdown: str) -> str:
    """The same Markdown without HTML that does anything; where that can't be told, without any HTML."""
    cleaned = _SCHEME.sub(r"\1unsafe:", _outside_of_code(markdown, _clean))
    return cleaned if not active(cleaned) else markdown.replace("<", "&lt;").replace("](", "] (")


def active(markdown: str) -> tuple[str, ...]:
    """What a renderer of this Markdown would take for HTML with an effect, or for a link to a script.

    Bound the text by `MOST_PARSED` before.
    """
    return tuple(_active(_parser().parse(markdown)))


def heading_lines(markdown: str) -> Mapping[int, int]:
    """The lines that begin a heading, counted from 0, and its level."""
    return {
        token.map[0]: int(token.tag[1:])
        for token in _parser().parse(markdown)
        if token.type == "heading_open" and token.map
    }


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.validateLink = _any_link  # type: ignore[method-assign]
    return parser


def _any_link(url: str) -> bool:  # noqa: ARG001 - the parser passes it by name
    """Links to scripts are to be seen here, not passed over."""
    return True


def _active(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in {"html_block", "html_inline"}:
            tags = re.findall(r"<[^>]*>?", _without_comments(token.content))
            yield from (tag for tag in tags if not _is_harmless(tag))
        address = str(token.attrs.get("href") or token.attrs.get("src") or "")
        if re.match(r"\s*(?:javascript|vbscript|data)\s*:", address, re.IGNORECASE):
            yield address
        yield from _active(token.children or [])


def _without_comments(html: str) -> str:
    """The HTML between comments; one that never ends is none."""
    parts, at = list[str](), 0
    while (start := html.find("<!--", at)) >= 0 and (end := html.find("-->", start + 4)) >= 0:
        parts.append(html[at:start])
        at = end + len("-->")
    return "".join([*parts, html[at:]])


def _is_harmless(tag: str) -> bool:
    match = _HARMLESS.fullmatch(tag)
    return match is not None and (match["tag"] is None or match["tag"] in _KEPT)


def _outside_of_code(markdown: str, clean: _Keep) -> str:
    """Clean all lines that aren't in a code block, several at a time."""
    lines = _LINE.findall(markdown)
    in_code = set[int]()
    for token in _parser().parse(markdown):
        if token.type in {"fence", "code_block"} and token.map:
            in_code |= set(range(*token.map))
    parts, open_ = list[str](), list[str]()
    for number, line in enumerate(lines):
        if number in in_code:
            parts += [clean("".join(open_)), line]
            open_ = []
        else:
            open_.append(line)
    return "".join([*parts, clean("".join(open_))])


def _clean(text: str) -> str:
    cleaner = _Cleaner()
    at = 0
    for inert in _INERT.finditer(text):
        cleaner.feed(text[at : inert.start()])
        cleaner.keep(inert[0])
        at = inert.end()
    cleaner.feed(text[at:])
    return cleaner.end()


class _Cleaner(HTMLParser):
    """Writes Markdown again from what the parser sees."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self._out: list[str] = []
        self._links: list[bool] = []
        self._inside: list[str] = []

    def keep(self, text: str) -> None:
        """Take text as it is; a tag that was left open before it is none."""
        if self.rawdata:
            self.handle_data(self.rawdata.replace("<", "&lt;"))
            self.rawdata = ""
        self.handle_data(text)

    def end(self) -> str:
        """Everything that was written."""
        self.keep("")
        return "".join(self._out)

    def parse_html_declaration(self, i: int) -> int:
        """Read `<!` and what follows; what is no declaration, such as `<![badge](address)>`, is text."""
        try:
            return super().parse_html_declaration(i)
        except AssertionError:  # of `_markupbase`, for a keyword that HTML does not have
            self.handle_data("&lt;")
            return i + 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._inside or tag in _SWALLOWED:
            if tag in _SWALLOWED:
                self._inside.append(tag)
            return
        written = _written(tag, dict(attrs))
        if written is None:
            written = (self.get_starttag_text() or "").replace("<", "&lt;")
        if tag == "a":
            self._links.append(bool(written))
        self._out.append(written)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _SWALLOWED:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._inside:
            if tag == self._inside[-1]:
                self._inside.pop()
        elif tag == "a":
            self._out.append("</a>" if self._links and self._links.pop() else "")
        elif tag in _KEPT:
            self._out.append(f"</{tag}>")
        elif tag not in _DROPPED | _SWALLOWED | _VOID | {"img"}:
            self._out.append(f"&lt;/{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self._out.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")


def _written(tag: str, values: dict[str, str | None]) -> str | None:
    """A start tag as it is kept: empty for one that is dropped, None for one that is no HTML."""
    if tag in _KEPT:
        align = values.get("align") or ""
        return f'<{tag} align="{align}">' if align in _ALIGNS else f"<{tag}>"
    if tag == "a":
        href = values.get("href") or ""
        return f'<a href="{href}">' if _WEB.fullmatch(href) else ""
    if tag == "img":
        return _image(values)
    return "" if tag in _DROPPED | _VOID else None


def _image(values: dict[str, str | None]) -> str:
    source, width = values.get("src") or "", values.get("width") or ""
    label = " ".join(re.sub(r"[^\w .,:-]", " ", values.get("alt") or "").split())
    if not _WEB.fullmatch(source):
        return label
    sized = f' width="{width}"' if re.fullmatch(r"\d+%?", width) else ""
    return f'<img src="{source}" alt="{label}"{sized}>'
