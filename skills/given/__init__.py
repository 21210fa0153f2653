"""Skills over examples that a user gives: files read and checked whole, split and sealed once, judged by a metric."""
