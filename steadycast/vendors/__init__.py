"""Which devices can encode here. It looks and never opens an encoder."""
