"""Where merges run: a process of this machine, a workflow on GitHub, or a Job of the Hub."""
