"""The whole bot over HTTP: somebody pushes, the Hub posts to the real server, and the merged repository follows.

The short variants are `test_guarded` and `dispatch/test_contract`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from adapter_merge.localhub import Fault, Slow, Status
from tests.bot.dispatch.workflow import Repository
from tests.bot.town import COMMAND, WRITER, Bot, Town, command_in, until
from tests.github.stub import REPO, github_stub
from tests.github.stub import TOKEN as GITHUB_TOKEN

pytestmark = pytest.mark.bot

NAMES = ("local", "github", "jobs")
ADAPTER, MERGED = "bot/one", "bot/one-merged"
LISTED = """\
defaults: {settle: 0, probe: off, workers: 1}
merges:
  - {adapter: bot/one, to: bot/one-merged}
"""


@pytest.fixture
def images(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs find the program, as in any image that has it."""
    monkeypatch.setenv("PATH", command_in(town.root / "bin"))


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where merges are done: the options of `serve`, and how many runs there were."""

    words: tuple[str, ...]
    runs: Callable[[], int]


@contextmanager
def place(town: Town, name: str) -> Iterator[Place]:
    match name:
        case "local":
            yield Place(words=(), runs=lambda: 0)
        case "jobs":
            words = ("--dispatch", "jobs", "--image", "adapter-merge")
            yield Place(words=words, runs=lambda: jobs_begun(town))
        case _:
            town.merges = LISTED  # as the workflow has it, too
            with github_stub() as stub:
                town.more = {"GITHUB_TOKEN": GITHUB_TOKEN, "GITHUB_API_URL": stub.url}
                folder, environment = town.root / "actions", town.environment()
                repository = Repository(stub.state, folder, environment, town.merges)
                words = ("--dispatch", "github", "--github", REPO)
                yield Place(words=words, runs=lambda: len(stub.state.runs))
                repository.close()


def jobs_begun(town: Town) -> int:
    asked = [r for r in town.shelf.hub.requests if r.path.startswith("/api/jobs/bot")]
    return sum(r.method == "POST" for r in asked)


def train(town: Town, steps: int) -> str:
    """Push as a Trainer does, at every save and at the end; the result is the last commit."""
    for step in range(1, steps):
        title = f"Training in progress, step {step}"
        town.shelf.adapter(ADAPTER, title, base_model_name_or_path="bot/base", lora_alpha=step)
    return town.shelf.adapter(
        ADAPTER, "End of training", base_model_name_or_path="bot/base", lora_alpha=16
    )


def merged_here(town: Town, name: str) -> bytes:
    """The weights that a merge of the adapter as it is now makes of folders on this machine."""
    to = town.root / name
    town.shelf.case.run(to=str(to))
    return (to / "model.safetensors").read_bytes()


def require_follows(town: Town, bot: Bot, head: str, merges: int) -> None:
    """The target comes to be made of this commit, by so many merges in all."""

    def stands() -> bool:
        return bot.state(MERGED) == "merged" and town.made_of(MERGED) == head

    until(stands, bot.told, seconds=120)
    until(bot.is_idle, bot.told)
    assert len(town.shelf.titles(MERGED)) == merges
    weights = town.shelf.hub.read(MERGED, "model.safetensors")
    assert weights == merged_here(town, f"here-{merges}")


@pytest.mark.parametrize("name", NAMES)
def test_each_push_of_weights_is_merged_and_words_are_not(
    name: str, town: Town, images: None
) -> None:
    town.command = COMMAND
    with place(town, name) as there, town.bot(*there.words) as bot:
        town.install()
        require_follows(town, bot, train(town, 4), merges=1)
        told = town.shelf.hub.deliveries
        assert len(told) >= 4
        assert {delivery.status for delivery in told} <= {202, None}
        assert bot.decided(MERGED).count("running") == 1
        again = town.shelf.adapter(ADAPTER, "Trained longer", lora_alpha=24)
        require_follows(town, bot, again, merges=2)
        weights = town.shelf.hub.read(MERGED, "model.safetensors")
        words = b"---\nlanguage: de\n---\n# Words\n"
        town.shelf.write(ADAPTER, "README.md", words)
        until(lambda: bot.decided(MERGED).count("running") == 3, bot.told)
        until(bot.is_idle, bot.told)
        titles = [title.split()[0] for title in town.shelf.titles(MERGED)]
        assert titles == ["Refresh", "Merge", "Merge"]
        assert town.shelf.hub.read(MERGED, "model.safetensors") == weights
        assert bot.state(MERGED) == "unchanged"


@pytest.mark.parametrize("name", ["github", "jobs"])
def test_a_run_elsewhere_outlives_a_killed_server_and_is_found_again(
    name: str, town: Town, images: None
) -> None:
    head = train(town, 1)
    slow = Fault(on="HEAD /bot/base/resolve/.*/model.safetensors", does=Slow(seconds=5))
    town.shelf.hub.fail(slow)
    with place(town, name) as there:
        killed = town.begin(*there.words)
        until(lambda: there.runs() == 1, killed.told)
        killed.kill()
        with town.bot(*there.words) as bot:
            require_follows(town, bot, head, merges=1)
        assert there.runs() == 1


def test_a_push_is_merged_by_a_job_without_a_server(town: Town, images: None) -> None:
    town.install("--job", "--image", "adapter-merge")
    (first,) = town.shelf.hub.wait_for_jobs()
    assert (first.stage, town.shelf.hub.deliveries) == ("COMPLETED", ())
    # As if another Job were a little faster.
    moved = Status(status=412, body=b'{"error": "The branch has moved"}')
    town.shelf.hub.fail(Fault(on=f"POST /api/models/{MERGED}/commit", does=moved))
    head = train(town, 1)
    # Of the adapter's making, its push, and of the target's as well.
    _, *jobs = town.shelf.hub.wait_for_jobs(4, seconds=60)
    said = [line for job in jobs for line in town.shelf.hub.job_log(job)]
    assert {job.stage for job in jobs} == {"COMPLETED"}, "\n".join(said)
    assert any("(Conflict, exit code 8)" in line for line in said)
    assert town.made_of(MERGED) == head
    assert len(town.shelf.titles(MERGED)) == 1
    assert not [line for line in said if WRITER in line]
