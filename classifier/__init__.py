"""Decides whether a Chinese post or account bio breaks a platform policy, and how surely."""
