"""The cache of an informer: DeltaFIFO, store, indexer and listers. Pure, but for the one lock in ``store``."""
