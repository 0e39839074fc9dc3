"""`python -m kanrun` is the same as `kanrun`."""

from kanrun.cli.main import main

main()
