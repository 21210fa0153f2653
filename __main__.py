"""`python -m stratos` is the `stratos` program."""

from .agent.cli import main

main()
