"""People's rights: to be forgotten, and to see what is held about them."""
