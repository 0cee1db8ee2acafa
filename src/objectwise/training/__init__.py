"""Lightning module, data module and the training loop."""
