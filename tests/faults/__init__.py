"""Hostile, broken and slow servers."""
