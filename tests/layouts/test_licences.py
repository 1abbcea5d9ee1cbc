from __future__ import annotations

import pytest

from tests.layouts.tiny import Files, MakeSide, contents


@pytest.mark.parametrize(
    "name",
    [
        "LICENSE",
        "license.txt",
        "Licence.md",
        "COPYING",
        "copying.LESSER",
        "NOTICE",
        "use_policy.md",
    ],
)
def test_a_licence_file_of_the_base_is_carried(make_side: MakeSide, name: str) -> None:
    assert contents(make_side({name: "x"}, {"adapter_config.json": {}}))[name] == "x"


@pytest.mark.parametrize(
    ("base", "adapters", "expected"),
    [
        pytest.param({}, [{"LICENSE": "a"}], {"LICENSE": "a"}, id="none in the base"),
        pytest.param({"LICENSE": "b"}, [{"LICENSE": "b"}], {"LICENSE": "b"}, id="equal"),
        pytest.param(
            {"LICENSE": "b"},
            [{"LICENSE": "a"}],
            {"LICENSE": "b", "adapter-LICENSE": "a"},
            id="different",
        ),
        pytest.param(
            {"license": "b"},
            [{"LICENSE": "a"}],
            {"license": "b", "adapter-LICENSE": "a"},
            id="different in case too",
        ),
        pytest.param(
            {"LICENSE": "b"},
            [{"LICENSE": "a"}, {"LICENSE": "c"}],
            {"LICENSE": "b", "adapter-LICENSE": "a", "adapter-2-LICENSE": "c"},
            id="three different ones",
        ),
        pytest.param(
            {},
            [{"NOTICE": "a"}, {"NOTICE": "c"}],
            {"NOTICE": "a", "adapter-2-NOTICE": "c"},
            id="different adapters, none in the base",
        ),
        pytest.param(
            {"LICENSE": "b"},
            [{"LICENSE": "a"}, {"LICENSE": "b"}],
            {"LICENSE": "b", "adapter-LICENSE": "a"},
            id="the second equals the base's",
        ),
        pytest.param(
            {"LICENSE": "b", "adapter-LICENSE": "of an earlier merge"},
            [{"LICENSE": "a"}],
            {
                "LICENSE": "b",
                "adapter-LICENSE": "of an earlier merge",
                "adapter-2-LICENSE": "a",
            },
            id="a base that was merged itself",
        ),
        pytest.param(
            {"LICENSE": "b", "adapter-LICENSE": "a"},
            [{"LICENSE": "a"}],
            {"LICENSE": "b", "adapter-LICENSE": "a"},
            id="merged itself from an adapter under the same terms",
        ),
        pytest.param({}, [{"docs/LICENSE": "a", "LICENSE.py": "a"}], {}, id="no licence files"),
    ],
)
def test_the_terms_of_all_are_in_the_result(
    make_side: MakeSide, base: Files, adapters: list[Files], expected: Files
) -> None:
    side = make_side(base, *adapters)
    found = contents(side)
    found.pop("config.json")
    assert found == expected
    planned = [*side.files, *side.left_behind]
    assert len(planned) == 1 + len(base) + sum(map(len, adapters))


def test_a_licence_file_says_why_it_is_there(make_side: MakeSide) -> None:
    base = {"LICENSE": "b", "NOTICE": "n"}
    side = make_side(base, {"LICENSE": "a", "NOTICE": "n", "COPYING": "c"})
    assert {(c.subject, c.before, c.after) for c in side.changes} == {
        ("adapter-LICENSE", None, "0"),
        ("COPYING", None, "0"),
    }
    why = {c.subject: c.why for c in side.changes}
    assert "differs from the base's `LICENSE`" in why["adapter-LICENSE"]
    assert "the base has no such file" in why["COPYING"]
    assert [(f.path, f.why) for f in side.left_behind] == [
        ("NOTICE", "the same as the base's `NOTICE`")
    ]
