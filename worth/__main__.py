"""`python -m worth` is `worth`."""

from worth.cli import main

main()
