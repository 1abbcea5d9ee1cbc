"""Set the bot up: the webhook that wakes it, and whether all that it needs is there."""
