"""`python -m api` is `balise`."""

from api.cli import main

main()
