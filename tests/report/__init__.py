"""Tests of objectwise.report."""
