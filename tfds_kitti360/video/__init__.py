"""A person's own video or folder of frames, written in the official layout so that there is one reader."""
