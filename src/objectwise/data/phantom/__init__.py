"""EM-like neuropil with exact labels, grown from a seed."""
