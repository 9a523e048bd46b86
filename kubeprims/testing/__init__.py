"""Helpers for the tests of programs that use kubeprims, an API server among them."""
