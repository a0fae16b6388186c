"""The hallmark command. Modules load when their command runs; `--help` loads click alone."""


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code."""
    from registry.cli.run import run

    run()
