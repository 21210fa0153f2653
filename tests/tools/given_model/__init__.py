"""The checkpoint that a user gives as student."""
