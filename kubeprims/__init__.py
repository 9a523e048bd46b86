"""client-go's primitives for Python."""
