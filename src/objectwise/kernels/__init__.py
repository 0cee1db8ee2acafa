"""The algorithms as loops: arrays in, arrays out, no options objects, no torch."""
