"""The Hub bot: an adapter is pushed, the merged repository follows."""
