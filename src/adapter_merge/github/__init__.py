"""GitHub: what a step of a workflow knows of its run, and where it says what came of it."""
