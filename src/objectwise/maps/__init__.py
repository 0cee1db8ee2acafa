"""Maps from labels: plain arrays that a loss multiplies or weighs with."""
