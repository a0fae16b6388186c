"""Failed assertions of the shared suite are explained like those of a test module."""
