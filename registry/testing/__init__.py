"""Stand-ins, real servers started for tests, and contract suites."""
