"""Tests of kubeprims.informer."""
