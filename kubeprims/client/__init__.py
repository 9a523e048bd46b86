"""The Kubernetes API as verbs on resources."""
