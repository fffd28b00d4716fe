"""What pages send, parsed and checked for shape; rules live in the services."""
