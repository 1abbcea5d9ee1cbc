from __future__ import annotations

import pytest

from adapter_merge.checks.loss import predicted_loss


@pytest.mark.parametrize(("ratio", "loss"), [(5.8e-4, 0.34), (1.75e-3, 0.09), (1.8e-2, 4e-3)])
def test_measured_points(ratio: float, loss: float) -> None:
    assert predicted_loss(ratio, "BF16") == pytest.approx(loss)


@pytest.mark.parametrize(
    ("ratio", "dtype", "least", "most"),
    [
        (1e-3, "BF16", 0.09, 0.34),
        (1e-7, "BF16", 1.0, 1.0),
        (0.1, "BF16", 0.0, 4e-3),
        (1.8e-2, "F16", 1e-4, 1e-3),  # measured: 5e-4
        (1.8e-2, "F32", 0.0, 1e-6),  # measured: 8e-7, the noise of the measurement
        (1.8e-2, "F64", 0.0, 1e-12),
        (0.0, "BF16", 0.0, 0.0),
    ],
)
def test_between_and_beyond(ratio: float, dtype: str, least: float, most: float) -> None:
    assert least <= predicted_loss(ratio, dtype) <= most


def test_falls_with_the_delta() -> None:
    losses = [predicted_loss(10**-exponent, "BF16") for exponent in (1, 2, 2.5, 3, 3.5)]
    assert losses == sorted(losses)
