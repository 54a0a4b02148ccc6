"""What can be done to the record. Each module holds frozen commands directly above their handlers."""
