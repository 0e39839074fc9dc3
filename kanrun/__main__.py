"""`python -m kanrun` is the same as `kanrun`."""

from kanrun.cli import main

main()
