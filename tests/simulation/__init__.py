"""The informer in a simulated world, and proof that the simulation notices what is wrong."""
