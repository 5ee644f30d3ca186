"""Writes a user's video or folder of frames in the official layout, so that one reader serves both."""
