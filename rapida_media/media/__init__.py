"""The media frame bus and what sits on it: formats, frames, recorder, tones."""
