"""What a run takes from its machine."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

# A child of a process that holds 400 MB must not report them as its own.
CHILD = "from adapter_merge.assemble import this_machine; print(this_machine().peak_rss())"


def test_the_peak_is_this_process_s() -> None:
    large = np.ones(50_000_000)
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, check=True, close_fds=False
    )
    assert 10e6 < int(done.stdout) < 300e6 < large.nbytes
