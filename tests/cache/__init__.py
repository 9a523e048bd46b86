"""The cache: DeltaFIFO, store, indices, indexer and listers."""
