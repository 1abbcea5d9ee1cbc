from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from adapter_merge.bot.record import Record
from tests.bot.web.standin import NOW, SECRET, WELL, Still, asked, served
from tests.bot.web.told import body

SENT = {"X-Webhook-Secret": SECRET}


def figures(url: str) -> dict[str, float]:
    status, text = asked(url, "/metrics")
    assert status == 200
    families = text_string_to_metric_families(text.decode())
    return {
        ",".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def test_deliveries_are_counted_by_what_came_of_them() -> None:
    with served(Still()) as url:
        assert figures(url)["adapter_merge_deliveries_total,queued"] == 0
        for _ in range(2):
            asked(url, "/webhook", body(), SENT)
        asked(url, "/webhook", body(repo="acme/other"), SENT)
        asked(url, "/webhook", b"[", SENT)
        asked(url, "/webhook", body(), {})
        found = figures(url)
    results = ("queued", "repeated", "ignored", "malformed", "refused", "too-long")
    counts = [found[f"adapter_merge_deliveries_total,{result}"] for result in results]
    assert counts == [1, 1, 1, 1, 1, 0]
    assert found["adapter_merge_delivery_seconds_count"] == 5


def test_the_bot_is_asked_each_time() -> None:
    bot = Still(kept=(Record(target="a/b", at=NOW), Record(target="a/c", at=NOW, state="dead")))
    with served(bot) as url:
        found = figures(url)
        assert found["adapter_merge_ready"] == 1
        assert found["adapter_merge_round_age_seconds"] == 60
        assert found["adapter_merge_targets,dead"] == 1
        assert found["adapter_merge_targets,merged"] == 0
        assert "adapter_merge_free_bytes" not in found
        bot.how = replace(
            WELL,
            looked=None,
            queued=3,
            running=1,
            dead=2,
            free_bytes=7,
            ended={"merged": 4, "failed": 1},
            seconds={"merge": 12.5},
        )
        found = figures(url)
    assert found["adapter_merge_ready"] == 0
    assert "adapter_merge_round_age_seconds" not in found
    assert found["adapter_merge_queued"] == 3
    assert found["adapter_merge_running"] == 1
    assert found["adapter_merge_dead"] == 2
    assert found["adapter_merge_free_bytes"] == 7
    assert found["adapter_merge_merges_total,merged"] == 4
    assert found["adapter_merge_stage_seconds_total,merge"] == 12.5
