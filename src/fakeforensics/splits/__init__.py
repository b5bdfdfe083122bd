"""Protocols, manifests, and the audit that keeps them free of leaks."""
