"""The pull side against olah, a mirror of the Hub that others wrote: every request goes through it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from huggingface_hub import constants

from adapter_merge import assemble, pipeline
from adapter_merge.hub.client import connect
from adapter_merge.hub.edge import HubEdge
from adapter_merge.localhub import LocalHub
from adapter_merge.ports import Silent, Surroundings
from adapter_merge.request import RepoRef, Request
from tests.hub.whole import NEW, Runs

OLAH = os.environ.get("ADAPTER_MERGE_OLAH")


@contextmanager
def mirroring(url: str, folder: Path) -> Iterator[str]:
    """olah in front of a Hub; the result is its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    hub, here = urlsplit(url), f"127.0.0.1:{port}"
    options = {
        "host": "127.0.0.1",
        "port": str(port),
        "hf-scheme": "http",
        "hf-netloc": hub.netloc,
        "hf-lfs-netloc": f"localhost:{hub.port}",
        "mirror-scheme": "http",
        "mirror-netloc": here,
        "mirror-lfs-netloc": here,
        "repos-path": str(folder / "repos"),
        "log-path": str(folder / "logs"),
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            [str(OLAH), *words], stdout=out, stderr=subprocess.STDOUT, cwd=folder
        )
        try:
            _wait_for(port)
            yield f"http://{here}"
        finally:
            process.terminate()
            process.wait()


def _wait_for(port: int) -> None:
    for _ in range(150):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    pytest.fail("olah doesn't answer")


@pytest.mark.skipif(OLAH is None, reason="ADAPTER_MERGE_OLAH names no olah; `make test-olah` does")
def test_a_merge_is_the_same_through_a_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    (tmp_path / "olah").mkdir()
    with LocalHub(tmp_path / "hub", xet=False) as hub:
        Runs(hub, tmp_path)
        with mirroring(hub.url, tmp_path / "olah") as mirror:
            found = {}
            for name, url in (("hub", hub.url), ("mirror", mirror)):
                cache, to = tmp_path / name / "cache", tmp_path / name / "out"
                client = connect(endpoint=url, cache=cache, token=False)
                around = Surroundings(cache=cache, hub=partial(HubEdge, client))
                machine = replace(assemble.this_machine(), around=around)
                request = Request.model_validate(
                    {"adapters": (NEW,), "to": str(to), "probe": "off", "workers": 1}
                )
                report = pipeline.run(request, reporter=Silent(), machine=machine)
                assert report.status == "merged", report.error
                assert assemble.verify(RepoRef.model_validate(str(to))).error is None
                found[name] = report
    assert found["mirror"].recipe == found["hub"].recipe
    assert found["mirror"].files == found["hub"].files
