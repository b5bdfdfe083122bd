"""The report: tables and figures of all protocols, next to published figures."""
