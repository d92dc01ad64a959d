"""The clips that the model learns from: what moves how over what, as captions and as frames."""
