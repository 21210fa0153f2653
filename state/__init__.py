"""What Stratos remembers: brief, plan and evidence models, the workspace and the DuckDB journal."""
