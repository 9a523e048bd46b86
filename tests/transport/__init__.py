"""Tests of kubeprims.transport."""
