"""A Hub on loopback, for what is resolved on one."""

from tests.bases.online import online

__all__ = ["online"]
