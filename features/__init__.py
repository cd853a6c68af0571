"""What is known of a customer on a given day: no MLflow, no web, no clock."""
