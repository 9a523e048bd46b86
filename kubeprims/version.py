"""The version of the package, in one place: the build reads it, and so does the user agent."""

__version__ = "0.1.0"
