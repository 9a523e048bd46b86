"""Tests of kubeprims.client."""
