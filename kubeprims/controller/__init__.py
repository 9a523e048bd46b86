"""Controllers: what is asked for and what there is, brought together again and again."""
