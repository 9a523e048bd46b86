"""The tests of kubeprims; the folders mirror the package."""
