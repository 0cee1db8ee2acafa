"""The older packages' names, argument orders and semantics, for moving over; nothing inside imports them."""
