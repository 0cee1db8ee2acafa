"""What init proposes."""
