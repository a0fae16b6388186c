"""`python -m registry.cli` is `hallmark`."""

from registry.cli import main

if __name__ == "__main__":
    main()
