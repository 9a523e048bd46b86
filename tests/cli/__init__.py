"""Tests of kubeprims.cli."""
