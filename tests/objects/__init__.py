"""Tests of kubeprims.objects."""
