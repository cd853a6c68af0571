"""What happens is told event by event, and answered by the new score."""
