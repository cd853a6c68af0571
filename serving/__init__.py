"""The service: store, batch scoring, API."""
