"""Tests against a real kube-apiserver and etcd; ``build.sh`` builds them, ``cluster.py`` runs them."""
