"""Volumes on disk, phantoms, sampling and augmentation."""
