"""`python -m autotelic` is the command."""

from autotelic.cli.main import main

if __name__ == "__main__":
    main()
