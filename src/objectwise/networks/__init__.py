"""Networks that predict affinities, thin over MONAI."""
