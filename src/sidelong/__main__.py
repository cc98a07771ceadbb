"""`python -m sidelong`: the same as the `sidelong` command."""

from sidelong.cli.main import main

if __name__ == "__main__":
    main()
