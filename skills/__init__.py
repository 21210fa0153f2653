"""What Stratos knows: one folder per domain, a SKILL.md and a skill.py each, behind one Protocol."""
