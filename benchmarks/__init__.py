"""Studies that make the project's own figures; they are run from a checkout and not installed."""
