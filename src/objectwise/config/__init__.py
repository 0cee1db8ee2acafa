"""The typed configuration of a run: data only, no work is done here."""
