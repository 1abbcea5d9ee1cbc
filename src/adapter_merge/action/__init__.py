"""The GitHub Action: inputs of a step become the same request that the command line makes; `action.yml` starts it."""
