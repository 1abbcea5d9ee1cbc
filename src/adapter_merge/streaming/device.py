"""The device that computes: torch is imported once, before anything is written."""

from __future__ import annotations

from adapter_merge.errors import MergeError, RequestError


def prepare(device: str) -> str:
    """Import torch and make sure of the device; the result is its name for torch.

    `auto` is the CPU: for a low-rank delta the disk is slower than two cores, and a GPU would add the
    way there and back. On CUDA products are made in full float32 (no TF32): a value differs from the
    CPU's by `(rank + 2) * 2**-23 * (|W| + |scale| * (|B| @ |A|))` at most, and by one rounding to the
    file's dtype.

    Raises:
        MergeError: torch can't be imported.
        RequestError: there is no such device.
    """
    try:
        import torch
    except ImportError as e:
        raise MergeError(
            f"torch can't be imported: {e}",
            hint="Install it with `pip install torch`; on Linux its CPU index has a small build.",
        ) from e
    if not device.startswith("cuda"):
        return "cpu"
    index = int(device.partition(":")[2] or 0)
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        raise RequestError(
            f"`--device {device}`: torch {torch.__version__} sees no such device",
            hint="Merge with `--device cpu`, or install a build of torch for your GPU.",
        )
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return device
