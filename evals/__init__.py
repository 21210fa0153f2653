"""How good Stratos is: one module per question, each one command; findings are logged in LOG.md."""
