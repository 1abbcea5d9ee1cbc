from __future__ import annotations

import io
import re
from pathlib import Path

from adapter_merge.github.commands import Log, write_outputs

EVIL = "x\n::error::y\r\n%0A::add-mask::z\x1b[2J"


def log() -> tuple[Log, io.StringIO]:
    stream = io.StringIO()
    return Log(stream), stream


def obeyed(text: str) -> list[str]:
    """What a runner would obey: commands while none are stopped."""
    found, word = [], ""
    for line in text.splitlines():
        if word:
            word = "" if line == f"::{word}::" else word
        elif line.startswith("::stop-commands::"):
            word = line.removeprefix("::stop-commands::")
        elif line.startswith("::"):
            found.append(line)
    return found


def test_nothing_that_is_printed_inside_is_a_command() -> None:
    writes, stream = log()

    with writes.guard():
        stream.write("::set-output name=a::b\n::error::pwned\n")
        writes.say(EVIL)
        with writes.group(EVIL):
            stream.write("::warning::pwned\n")

    assert [line.partition("::")[2].partition("::")[0] for line in obeyed(stream.getvalue())] == [
        "group",
        "endgroup",
    ]
    writes.annotate("notice", "obeyed again", title="after")
    assert obeyed(stream.getvalue())[-1] == "::notice title=after::obeyed again"


def test_an_annotation_is_one_line_that_ends_where_it_should() -> None:
    writes, stream = log()

    writes.annotate("error", EVIL, title="a,b::c")

    (line,) = stream.getvalue().splitlines()
    assert line.startswith("::error title=a%2Cb%3A%3Ac::x%0A")
    assert "\x1b" not in line
    assert "%250A" in line


def test_past_the_limits_it_is_a_line_of_the_log() -> None:
    writes, stream = log()

    for number in range(12):
        writes.annotate("warning", f"{number} {'x' * 5000}", title="t")

    lines = stream.getvalue().splitlines()
    assert len(obeyed(stream.getvalue())) == 10
    assert all(len(line) < 4_200 for line in lines[:10])
    assert lines[10].startswith("warning: t: 10 x")


def test_masks_each_line_of_a_secret() -> None:
    writes, stream = log()

    writes.mask("hf_one\nhf_two")

    masked = {line.removeprefix("::add-mask::") for line in stream.getvalue().splitlines()}
    assert {"hf_one", "hf_two"} <= masked


def test_no_output_ends_before_its_end(tmp_path: Path) -> None:
    path = tmp_path / "out"

    write_outputs(path, {"one": "a\nend-0\ntwo<<x\nx", "two": "b"})

    found = re.findall(
        r"^(\w+)<<(end-\w{32})\n(.*?)\n\2$", path.read_text(), re.DOTALL | re.MULTILINE
    )
    assert [(name, value) for name, _, value in found] == [
        ("one", "a\nend-0\ntwo<<x\nx"),
        ("two", "b"),
    ]
