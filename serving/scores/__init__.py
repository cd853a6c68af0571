"""One customer's score."""
