"""Who may do what: keys, tokens, scopes, limits. `serving.auth` is the door to them."""
