"""Base encoders, windows of tokens, and the runtime that turns token ids into logits."""
