"""Where operations are kept: few verbs over values (`protocol.py`) and their homes, SQLite and PostgreSQL."""
