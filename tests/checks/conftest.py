from pathlib import Path

import pytest

from tests.checks.tiny import Case, make_case


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)
