"""What is to be merged now: the entries of merges.yaml against what stands."""
