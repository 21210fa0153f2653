"""The open checkpoint that a user gives as student: linked into the run, planned for, tuned, reinforced where that may gain."""
